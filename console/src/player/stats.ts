/** What the player measured about itself, for people, graphs and tests. */

export type PlayerState = "idle" | "connecting" | "waiting" | "playing" | "paused" | "failed";

/** How the pictures come: Media over QUIC, HLS with parts, HLS of whole segments. */
export type Protocol = "moq" | "ll-hls" | "hls";

/**
 * What one viewing was like so far: the numbers that a beacon tells the cloud. Counts and sums only grow while
 * `session_id` stays the same.
 */
export interface PlaybackSnapshot {
  /** Random, made anew each time the element begins to play something; says nothing about who watches. */
  session_id: string;
  /** Empty until a ticket came, and for a plain `src`. */
  channel_id: string;
  state: PlayerState;
  /** Undefined until a way to play has been chosen. */
  protocol: Protocol | undefined;
  /** The node that delivers now; empty when none does. */
  edge_node_id: string;
  /** The picture on show ("720p"), empty before the first. */
  rendition: string;
  bitrate_bps: number;
  /** From the wish to play to the first painted frame; undefined before it. */
  startup_ms: number | undefined;
  /** Wall clock minus media time of the painted frame; undefined while nothing plays, or for a recording. */
  latency_ms: number | undefined;
  /** Time in which pictures moved. */
  watched_ms: number;
  /** How often, and how long in all, the picture stood still against the viewer's will after the first frame. */
  rebuffer_count: number;
  rebuffer_ms: number;
  /** Changes of the edge under a running picture. */
  switches: number;
  /** Changes of the rendition on show. */
  rendition_switches: number;
  /** Everything that went wrong and was noticed: refused connections, broken segments, decoders, lost transports. */
  errors: number;
  /** The last of them, a short fixed word such as "no_session"; empty without any. */
  last_error: string;
}

export interface PlayerStats {
  state: PlayerState;
  /** Undefined until a way to play has been chosen. */
  protocol: Protocol | undefined;
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
  /** How long in all it stood still. */
  stalled_ms: number;
  switches: number;
  /** Longest time without a new frame from any edge. */
  gap_ms_max: number;
  /** Longest time one frame stayed on the screen. */
  paint_gap_ms_max: number;
  /** From the start of loading to the first painted frame. */
  startup_ms: number | undefined;
  /** What the start was spent on: until the ticket came, and until the first edge was connected (MoQ only). */
  ticket_ms?: number | undefined;
  session_ms?: number | undefined;
  /** First painted frame, in milliseconds since the page was opened. */
  page_to_paint_ms: number | undefined;
  muted: boolean;
  audio_buffer_ms: number;
  audio_underruns: number;
  /** Longest silence for want of sound, while unmuted. */
  audio_gap_ms_max: number;
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
  /** Sum of the stalls. */
  stalled_ms: number;
  /** The gap that is still open. */
  open_ms: number;
}

/** Longest distance between events of one kind. Time is injected. */
export class GapMeter {
  private last: number | undefined;
  private longest = 0;
  private long = 0;
  private long_ms = 0;

  constructor(private readonly stall_ms = STALL_MS) {}

  mark(now_ms: number): number {
    const gap = this.last === undefined ? 0 : now_ms - this.last;
    this.last = now_ms;
    if (gap > this.longest) this.longest = gap;
    if (gap > this.stall_ms) {
      this.long++;
      this.long_ms += gap;
    }
    return gap;
  }

  /** The gap so far, counting the one that is still open. */
  read(now_ms: number): Gap {
    const open = this.last === undefined ? 0 : now_ms - this.last;
    const stalls = open > this.stall_ms;
    return {
      longest_ms: Math.max(this.longest, open),
      stalls: this.long + (stalls ? 1 : 0),
      stalled_ms: this.long_ms + (stalls ? open : 0),
      open_ms: open,
    };
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
