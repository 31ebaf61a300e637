/** Puts the snapshot of a viewing together, over all transports that it took. Time is injected. */

import type { PlaybackSnapshot, PlayerState, PlayerStats } from "./stats";

export class QoeMeter {
  private readonly session_id = sessionId();
  private state: PlayerState = "connecting";
  private playingSince: number | undefined;
  private watched_ms = 0;
  private startup_ms: number | undefined;
  private switches = 0;
  private rendition = "";
  private rendition_switches = 0;
  private errors = 0;
  private last_error = "";
  /** What transports before the running one had counted. */
  private before = { rebuffer_count: 0, rebuffer_ms: 0 };
  private latest: PlayerStats | undefined;
  channel_id = "";

  enter(state: PlayerState, now_ms: number): void {
    if (this.playingSince !== undefined) this.watched_ms += now_ms - this.playingSince;
    this.playingSince = state === "playing" ? now_ms : undefined;
    this.state = state;
  }

  painted(startup_ms: number): void {
    this.startup_ms ??= startup_ms;
  }

  switched(): void {
    this.switches++;
  }

  trouble(word: string): void {
    this.errors++;
    this.last_error = word;
  }

  /** The statistics of the running transport; call often enough to see each rendition. */
  observe(stats: PlayerStats): void {
    this.latest = stats;
    if (stats.rendition === "" || stats.rendition === this.rendition) return;
    if (this.rendition !== "") this.rendition_switches++;
    this.rendition = stats.rendition;
  }

  /** The running transport ends; the next counts from zero. */
  transportEnds(): void {
    this.before.rebuffer_count += this.latest?.stalls ?? 0;
    this.before.rebuffer_ms += this.latest?.stalled_ms ?? 0;
    this.latest = undefined;
  }

  snapshot(now_ms: number, recorded: boolean): PlaybackSnapshot {
    const { latest } = this;
    const open_ms = this.playingSince === undefined ? 0 : now_ms - this.playingSince;
    const live = this.state === "playing" && !recorded;
    return {
      session_id: this.session_id,
      channel_id: this.channel_id,
      state: this.state,
      protocol: latest?.protocol,
      edge_node_id: latest?.edge_node_id ?? "",
      rendition: this.rendition,
      bitrate_bps: latest?.bitrate_bps ?? 0,
      startup_ms: this.startup_ms,
      latency_ms: live ? latest?.latency_ms : undefined,
      watched_ms: this.watched_ms + open_ms,
      rebuffer_count: this.before.rebuffer_count + (latest?.stalls ?? 0),
      rebuffer_ms: this.before.rebuffer_ms + (latest?.stalled_ms ?? 0),
      switches: this.switches,
      rendition_switches: this.rendition_switches,
      errors: this.errors,
      last_error: this.last_error,
    };
  }
}

/** 96 random bits: enough that no two viewings of a show meet. `randomUUID` exists in secure contexts only. */
function sessionId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
