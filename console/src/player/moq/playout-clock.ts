/**
 * Which moment of the media clock is on show now.
 *
 * Every arriving frame tells how far behind its timestamp it came: `delay = now - pts`. The smallest delay of the
 * last seconds is the path without queueing; playing at that delay plus the latency target leaves exactly the target
 * as a cushion against jitter and against the silence of a failover. Picture and sound come by different ways (a
 * transcoder more or less, other frame sizes): each has its own smallest delay, and the slower one counts, because
 * they play together. The clock runs on the viewer's monotonic time and is moved gently, so that neither jumps; only a
 * large error is corrected at once.
 *
 * Rules:
 * - B-frames arrive after frames that are shown later: a frame's delay is the largest of the last few arrivals.
 * - settling (first second of arrivals): follow the best estimate at once; the backlog of the open group makes the
 *   first delays meaningless.
 * - afterwards: approach the wanted delay by at most 5 % of the elapsed time; beyond 1 s of error, jump.
 * - frames that all come late for 500 ms mean the path itself became longer: forget the old minimum.
 * - sound that runs low slows the clock down, the more the less is left, at most to a third of its speed: stretched
 *   speech is understood, a hole in it is not. The way back is taken at up to 12 %, which time-stretching hides.
 *
 * All times in microseconds; `now` is injected.
 */

export type StreamKind = "audio" | "video";

const BUCKET_US = 1_000_000;
/** Ten seconds remember the best path but follow a drifting clock. */
const BUCKETS = 10;
/** H.264 encoders for live reorder by up to three frames. */
const REORDER_FRAMES = 4;
const SETTLING_US = 1_000_000;
/** A stream that joins (sound after unmuting) begins with a backlog too. */
const JOINING_US = 400_000;
/** 5 % is not heard in speech and not seen in motion. */
const SLEW = 0.05;
/** A clock that is far behind hurries: still speech, and back at the live edge in seconds. */
const HURRY = 0.12;
const FAR_US = 80_000;
/** Sound shall lie ready for this long, or for this share of a shorter cushion; less, and the clock slows down... */
const LOW_US = 80_000;
const LOW_SHARE = 0.7;
/** ...until, with this much left, it goes at this part of its speed. */
const DRY_US = 20_000;
const SLOWEST = 1 / 3;
const JUMP_US = 1_000_000;
const LATE_US = 500_000;

/** The smallest delay of one stream over the last seconds, and whether it has been late for long. */
class StreamDelay {
  private buckets: { start: number; min: number }[] = [];
  private recent: number[] = [];
  private firstArrival: number | undefined;
  private lateSince: number | undefined;
  private lateMin = Infinity;
  /** Media time of the newest frame. */
  newestPts = -Infinity;

  get smallest(): number {
    return Math.min(...this.buckets.map((bucket) => bucket.min));
  }

  /** Whether the backlog that comes first is over, and the delay means something. */
  hasSettled(now: number): boolean {
    return this.firstArrival !== undefined && now - this.firstArrival >= JOINING_US;
  }

  /** Returns true when the stream has come late for so long that its path must be measured anew. */
  observe(raw_delay: number, now: number, applied: number | undefined): boolean {
    this.firstArrival ??= now;
    this.newestPts = Math.max(this.newestPts, now - raw_delay);
    this.recent.push(raw_delay);
    // Until the window is full the largest of it says too little.
    if (this.recent.length === REORDER_FRAMES) this.buckets = [];
    if (this.recent.length > REORDER_FRAMES) this.recent.shift();
    const delay = Math.max(...this.recent);
    const last = this.buckets[this.buckets.length - 1];
    if (last && now - last.start < BUCKET_US) last.min = Math.min(last.min, delay);
    else this.buckets.push({ start: now, min: delay });
    if (this.buckets.length > BUCKETS) this.buckets.shift();
    return this.isLate(raw_delay, now, applied);
  }

  private isLate(delay: number, now: number, applied: number | undefined): boolean {
    if (applied === undefined || delay <= applied) {
      this.lateSince = undefined;
      return false;
    }
    this.lateMin = this.lateSince === undefined ? delay : Math.min(this.lateMin, delay);
    this.lateSince ??= now;
    if (now - this.lateSince < LATE_US) return false;
    this.buckets = [{ start: now, min: this.lateMin }];
    this.lateSince = undefined;
    return true;
  }
}

export class PlayoutClock {
  private readonly streams = new Map<StreamKind, StreamDelay>();
  private applied: number | undefined;
  private firstArrival: number | undefined;
  private updated = 0;

  constructor(private target_us: number) {}

  /** Change the cushion; the viewer asked for it, so it takes effect at once. */
  setTarget(target_us: number): void {
    this.target_us = target_us;
    this.applied = undefined;
  }

  /** A frame with timestamp `pts` has arrived. */
  observe(pts: number, now: number, kind: StreamKind = "video"): void {
    this.firstArrival ??= now;
    const stream = this.streams.get(kind) ?? new StreamDelay();
    this.streams.set(kind, stream);
    if (stream.observe(now - pts, now, this.applied)) this.applied = undefined;
    this.advance(now);
  }

  /** The stream is not played any more: it need not be waited for. */
  forget(kind: StreamKind): void {
    this.streams.delete(kind);
  }

  /** The media time on show at `now`. Before the first frame: minus infinity, nothing is due. */
  position(now: number): number {
    this.advance(now);
    return this.applied === undefined ? -Infinity : now - this.applied;
  }

  /** Start over, as after a pause: the next arrivals settle the clock anew. */
  reset(): void {
    this.streams.clear();
    this.applied = undefined;
    this.firstArrival = undefined;
  }

  private advance(now: number): void {
    if (this.firstArrival === undefined || this.streams.size === 0) return;
    const streams = [...this.streams.values()];
    const settled = streams.filter((stream) => stream.hasSettled(now));
    const counted = settled.length > 0 ? settled : streams;
    const path = Math.max(...counted.map((stream) => stream.smallest));
    const wanted = path + this.target_us;
    const elapsed = Math.max(0, now - this.updated);
    this.updated = Math.max(this.updated, now);
    const error = this.applied === undefined ? 0 : wanted - this.applied;
    const settling = now - this.firstArrival < SETTLING_US;
    if (this.applied === undefined || settling || Math.abs(error) > JUMP_US) {
      this.applied = wanted;
      return;
    }
    const speed = this.speedFor(now);
    if (speed < 1) {
      this.applied += elapsed * (1 - speed);
      return;
    }
    const slew = Math.abs(error) > FAR_US ? HURRY : SLEW;
    const least = error < 0 ? this.leastDelay(now) : -Infinity;
    const next = this.applied + Math.sign(error) * Math.min(Math.abs(error), elapsed * slew);
    this.applied = error < 0 ? Math.min(this.applied, Math.max(next, least)) : next;
  }

  /** How fast sound may be used up, 1 for real time: what is there has to last until more comes. */
  private speedFor(now: number): number {
    const sound = this.streams.get("audio");
    if (!sound || this.applied === undefined || !sound.hasSettled(now)) return 1;
    const ready = sound.newestPts - (now - this.applied);
    if (ready >= this.low || ready <= -JUMP_US) return 1;
    return SLOWEST + (1 - SLOWEST) * Math.max(0, (ready - DRY_US) / (this.low - DRY_US));
  }

  private get low(): number {
    return Math.min(LOW_US, this.target_us * LOW_SHARE);
  }

  /** Not so close to the newest sound that it would be slowed down again at once. */
  private leastDelay(now: number): number {
    const sound = this.streams.get("audio");
    return sound?.hasSettled(now) ? now - sound.newestPts + this.low : -Infinity;
  }
}
