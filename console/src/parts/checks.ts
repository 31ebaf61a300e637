/** The fields of the form of detectors: shares are shown as per cent, levels and times as they are. */

import type { DetectorSettings } from "../api/types";
import type { TextKey } from "../i18n";

type NumberKey = Exclude<keyof DetectorSettings, "enabled">;

export interface CheckField {
  key: NumberKey;
  label: TextKey;
  /** With the space before it. */
  suffix: string;
  /** What is shown is the value times this. */
  scale: number;
  min: number;
  max: number;
  step: number;
  decimals: number;
}

export interface Check {
  name: "black" | "frozen" | "silence" | "loudness" | "keyframe" | "bitrate" | "fps";
  fields: CheckField[];
}

const share = (key: NumberKey, label: TextKey): CheckField => ({
  key, label, suffix: " %", scale: 100, min: 0, max: 100, step: 1, decimals: 1,
});
const level = (key: NumberKey, label: TextKey, suffix: string): CheckField => ({
  key, label, suffix, scale: 1, min: -120, max: 0, step: 1, decimals: 1,
});
const seconds = (key: NumberKey, label: TextKey): CheckField => ({
  key, label, suffix: " s", scale: 1, min: 0, max: 3600, step: 1, decimals: 1,
});

export const CHECKS: readonly Check[] = [
  { name: "black", fields: [share("black_share", "check_dark_share"), share("black_level", "check_dark_level"), seconds("black_alarm_s", "check_after")] },
  { name: "frozen", fields: [share("frozen_noise", "check_noise"), seconds("frozen_alarm_s", "check_after")] },
  { name: "silence", fields: [level("silence_dbfs", "check_below", " dBFS"), seconds("silence_alarm_s", "check_after")] },
  {
    name: "loudness",
    fields: [level("loud_max_lufs", "check_above", " LUFS"), level("loud_min_lufs", "check_below", " LUFS"), seconds("loudness_alarm_s", "check_after")],
  },
  { name: "keyframe", fields: [seconds("keyframe_max_s", "check_apart")] },
  { name: "bitrate", fields: [share("bitrate_share", "check_of_usual"), seconds("bitrate_alarm_s", "check_after")] },
  { name: "fps", fields: [share("fps_share", "check_of_usual"), seconds("fps_alarm_s", "check_after")] },
];

/** The cloud's own. */
export const DEFAULTS: DetectorSettings = {
  enabled: true,
  black_share: 0.98,
  black_level: 0.1,
  black_alarm_s: 10,
  frozen_noise: 0.03,
  frozen_alarm_s: 20,
  silence_dbfs: -60,
  silence_alarm_s: 15,
  loud_max_lufs: -9,
  loud_min_lufs: -38,
  loudness_alarm_s: 30,
  keyframe_max_s: 10,
  bitrate_share: 0.2,
  bitrate_alarm_s: 15,
  fps_share: 0.5,
  fps_alarm_s: 8,
};

/** What is offered; 0 leaves the sound as it comes. */
export const LOUDNESS_LUFS: readonly number[] = [0, -14, -16, -18, -20, -23, -24, -27];

/** A field as it is shown. */
export function fieldOf(field: CheckField, settings: DetectorSettings): number {
  return Math.round(settings[field.key] * field.scale * 10) / 10;
}

/** What was typed, as the API takes it; an empty field is its smallest value. */
export function valueOf(field: CheckField, typed: number | string): number {
  const shown = typed === "" ? field.min : Number(typed);
  const bounded = Math.min(Math.max(Number.isFinite(shown) ? shown : field.min, field.min), field.max);
  return Math.round((bounded / field.scale) * 10_000) / 10_000;
}
