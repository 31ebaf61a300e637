/**
 * One viewing of something by one way of transport: what the element needs of it, whichever it is.
 *
 * The element knows nothing of tracks or playlists, a viewing nothing of buttons. Times in seconds are places in a
 * recording or in the window of a stream; everything else is milliseconds.
 */

import type { PlayerState, PlayerStats, Protocol } from "./stats";
import type { WatchTicket } from "./ticket";

export type LatencyMode = "ultra-low" | "low" | "smooth";

/** The cushion against jitter over MoQ; what HLS makes of the modes is in hls/latency.ts. */
export const LATENCY_MODES_MS: Record<LatencyMode, number> = { "ultra-low": 100, low: 500, smooth: 1500 };

/** Something the viewer can choose from a menu. */
export interface Choice {
  id: string;
  label: string;
  /** BCP 47, empty when it is not known. */
  language: string;
}

export interface Quality {
  id: string;
  height: number;
  bitrate_bps: number;
}

/** Where one is, and where one can go. */
export interface Timeline {
  start_s: number;
  end_s: number;
  position_s: number;
  /** Whether the end moves on. */
  live: boolean;
  /** Undefined where the speed is that of life. */
  rate: number | undefined;
}

export interface SwitchInfo {
  from: string;
  to: string;
  gap_ms: number;
}

export interface ViewingEvents {
  state(state: PlayerState, detail: string): void;
  switched(info: SwitchInfo): void;
  firstPaint(startup_ms: number): void;
  /** Qualities, sound tracks or captions have changed. */
  menus(): void;
  /** The lines to show now; empty for none. */
  captions(lines: readonly string[]): void;
  /** Something failed and was dealt with; a short fixed word. */
  trouble(word: string): void;
  /** This way does not work (any more): the next should be tried. */
  gaveUp(word: string): void;
  /** A fresh list of edges would help. */
  wantsTicket(): void;
}

/** What every way of transport is told at its beginning. */
export interface ViewingOptions {
  latency: LatencyMode;
  /** Whether another way is left to be tried, so that giving up makes sense. */
  hasAlternative: boolean;
  /** The `performance.now()` moment at which the viewer wished to see something. */
  started_ms: number;
  /** The tallest picture to fetch, in lines; Infinity for any. */
  max_height: number;
  /** What is to be played is the past of a running show, from this moment on; seconds since the Unix epoch. */
  from_air_s?: number;
  /** About where in its playlist that is, in seconds. */
  from_place_s?: number;
  events: ViewingEvents;
}

/** What can be chosen from, and what is chosen. */
export interface Menus {
  /** Largest first. */
  readonly qualities: readonly Quality[];
  /** The quality that the viewer fixed; undefined for automatic. */
  readonly quality: string | undefined;
  readonly audioTracks: readonly Choice[];
  readonly audioTrack: string | undefined;
  readonly textTracks: readonly Choice[];
  readonly textTrack: string | undefined;
  fixQuality(id: string | undefined): void;
  setMaxHeight(lines: number): void;
  chooseAudio(id: string): void;
  chooseText(id: string | undefined): void;
}

export interface Viewing {
  readonly protocol: Protocol;
  readonly surface: HTMLCanvasElement | HTMLVideoElement;
  readonly hasAudio: boolean;
  readonly menus: Menus;

  start(): void;
  close(): void;
  ticket(ticket: WatchTicket, renewsGrant: boolean): void;
  pause(): void;
  resume(): void;
  /** Sound needs a gesture of the viewer. Resolves to whether there is sound now. */
  setMuted(muted: boolean): Promise<boolean>;
  setVolume(level: number): void;
  setLatency(mode: LatencyMode): void;
  /** Undefined where one can only watch what is on air now. */
  timeline(): Timeline | undefined;
  seek(to_s: number): void;
  setRate(rate: number): void;
  stats(): PlayerStats;
  resetGaps(): void;
}
