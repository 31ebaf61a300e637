/** What the player measured about itself, for people, graphs and tests. */

export type PlayerState = "idle" | "connecting" | "waiting" | "playing" | "paused" | "failed";

export interface PlayerStats {
  state: PlayerState;
  /** Address of the edge that feeds the picture, and its site. */
  edge: string;
  edge_node_id: string;
  edge_site: string;
  /** The connected spare. */
  warm_edge: string;
  rendition: string;
  width: number;
  height: number;
  /** Wall clock minus the media time of the painted frame: an estimate of glass to glass, as good as both clocks. */
  latency_ms: number;
  /** How much media waits in the player. */
  buffer_ms: number;
  fps: number;
  bitrate_bps: number;
  rtt_ms: number | undefined;
  frames_painted: number;
  frames_decoded: number;
  frames_duplicate: number;
  frames_skipped: number;
  /** How often the picture stood still for longer than `STALL_MS` while playing. */
  stalls: number;
  switches: number;
  /** Longest time without a new frame from any edge. */
  gap_ms_max: number;
  /** Longest time one frame stayed on the screen. */
  paint_gap_ms_max: number;
  /** From the start of loading to the first painted frame. */
  startup_ms: number | undefined;
  /** First painted frame, in milliseconds since the page was opened. */
  page_to_paint_ms: number | undefined;
  muted: boolean;
  audio_buffer_ms: number;
  audio_underruns: number;
  /** Loudest sample of the last quarter of a second, 0 to 1. */
  audio_level: number;
  /** How far the sound is behind the playout clock; negative when ahead. */
  audio_offset_ms: number;
}

/** A frame that stays this much longer than its neighbours is seen as a stall. */
export const STALL_MS = 200;

export interface Gap {
  longest_ms: number;
  stalls: number;
}

/** Longest distance between events of one kind. Time is injected. */
export class GapMeter {
  private last: number | undefined;
  private longest = 0;
  private long = 0;

  constructor(private readonly stall_ms = STALL_MS) {}

  mark(now_ms: number): number {
    const gap = this.last === undefined ? 0 : now_ms - this.last;
    this.last = now_ms;
    if (gap > this.longest) this.longest = gap;
    if (gap > this.stall_ms) this.long++;
    return gap;
  }

  /** The gap so far, counting the one that is still open. */
  read(now_ms: number): Gap {
    const open = this.last === undefined ? 0 : now_ms - this.last;
    return { longest_ms: Math.max(this.longest, open), stalls: this.long + (open > this.stall_ms ? 1 : 0) };
  }

  /** Do not count what happens until the next mark (paused, hidden). */
  interrupt(): void {
    this.last = undefined;
  }

  resetLongest(): void {
    this.longest = 0;
  }
}

/** Sum of amounts over a sliding window, as a rate per second. */
export class RateMeter {
  private entries: { at_ms: number; amount: number }[] = [];

  constructor(private readonly window_ms = 2000) {}

  add(amount: number, now_ms: number): void {
    this.entries.push({ at_ms: now_ms, amount });
    this.forget(now_ms);
  }

  perSecond(now_ms: number): number {
    this.forget(now_ms);
    const sum = this.entries.reduce((total, entry) => total + entry.amount, 0);
    return (sum * 1000) / this.window_ms;
  }

  private forget(now_ms: number): void {
    const limit = now_ms - this.window_ms;
    let old = 0;
    while (old < this.entries.length && (this.entries[old]?.at_ms ?? 0) < limit) old++;
    if (old > 0) this.entries.splice(0, old);
  }
}
