/**
 * The menu of choices: quality, latency, sound track, captions, speed. Native selects, because every screen reader and
 * every phone knows them; choices of which there is only one are left out.
 */

import type { Choice, LatencyMode, Quality } from "../viewing";
import { element } from "./dom";
import { word, type Language, type WordKey } from "./words";

export interface MenuActions {
  quality(id: string | undefined): void;
  latency(mode: LatencyMode): void;
  audio(id: string): void;
  captions(id: string | undefined): void;
  rate(rate: number): void;
  statistics(on: boolean): void;
}

export interface MenuState {
  qualities: readonly Quality[];
  quality: string | undefined;
  /** Undefined where there is no live edge to be near to. */
  latency: LatencyMode | undefined;
  audioTracks: readonly Choice[];
  audioTrack: string | undefined;
  textTracks: readonly Choice[];
  textTrack: string | undefined;
  /** Undefined where the speed is that of life. */
  rate: number | undefined;
}

const RATES = [0.5, 0.75, 1, 1.25, 1.5, 2];
const LATENCIES: [LatencyMode, WordKey][] = [["ultra-low", "ultra_low"], ["low", "low"], ["smooth", "smooth"]];

export class SettingsMenu {
  readonly panel = element("div", { className: "menu", id: "menu", hidden: true });
  private readonly quality = element("select", { className: "quality" });
  private readonly latency = element("select", { className: "latency" });
  private readonly audio = element("select", { className: "audio" });
  private readonly captions = element("select", { className: "captions-choice" });
  private readonly rate = element("select", { className: "rate" });
  private readonly statistics = element("input", { type: "checkbox" });
  private readonly rows: [WordKey, HTMLElement, HTMLSpanElement][];
  private shown = "";

  constructor(actions: MenuActions) {
    this.panel.setAttribute("role", "group");
    const row = (key: WordKey, control: HTMLElement): [WordKey, HTMLElement, HTMLSpanElement] => {
      const name = element("span");
      this.panel.append(element("label", {}, name, control));
      return [key, control, name];
    };
    this.rows = [
      row("quality", this.quality), row("latency", this.latency), row("audio_track", this.audio),
      row("captions", this.captions), row("speed", this.rate), row("statistics", this.statistics),
    ];
    this.quality.onchange = () => actions.quality(this.quality.value || undefined);
    this.latency.onchange = () => actions.latency(this.latency.value as LatencyMode);
    this.audio.onchange = () => actions.audio(this.audio.value);
    this.captions.onchange = () => actions.captions(this.captions.value || undefined);
    this.rate.onchange = () => actions.rate(Number(this.rate.value));
    this.statistics.onchange = () => actions.statistics(this.statistics.checked);
  }

  showStatistics(on: boolean): void {
    this.statistics.checked = on;
  }

  show(state: MenuState, language: Language): void {
    const text = JSON.stringify([state, language]);
    // Selects that are open would close when their options are replaced.
    if (text === this.shown) return;
    this.shown = text;
    const say = (key: WordKey): string => word(language, key);
    this.panel.setAttribute("aria-label", say("settings"));
    for (const [key, , name] of this.rows) name.textContent = say(key);
    const qualities = state.qualities.map((q): [string, string] => [q.id, qualityName(q)]);
    const named = (choice: Choice): [string, string] => [choice.id, choice.label];
    this.fill(this.quality, [["", say("auto")], ...qualities], state.quality, qualities.length > 1);
    this.fill(this.latency, LATENCIES.map(([mode, key]) => [mode, say(key)]), state.latency, state.latency !== undefined);
    this.fill(this.audio, state.audioTracks.map(named), state.audioTrack, state.audioTracks.length > 1);
    this.fill(this.captions, [["", say("off")], ...state.textTracks.map(named)], state.textTrack, state.textTracks.length > 0);
    this.fill(this.rate, RATES.map((rate) => [String(rate), `${rate}×`]), String(state.rate ?? 1), state.rate !== undefined);
  }

  private fill(select: HTMLSelectElement, options: [string, string][], chosen: string | undefined, useful: boolean): void {
    select.replaceChildren(
      ...options.map(([value, textContent]) => element("option", { value, textContent, selected: value === (chosen ?? "") })),
    );
    const label = select.closest("label");
    if (label) label.hidden = !useful;
  }
}

export function qualityName({ id, height, bitrate_bps }: Quality): string {
  const size = height > 0 ? `${height}p` : id;
  return bitrate_bps > 0 ? `${size} · ${(bitrate_bps / 1e6).toFixed(1)} Mbit/s` : size;
}
