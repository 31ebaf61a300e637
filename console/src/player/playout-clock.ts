/**
 * Which moment of the media clock is on show now.
 *
 * Every arriving frame tells how far behind its timestamp it came: `delay = now - pts`. The smallest delay of the
 * last seconds is the path without queueing; playing at that delay plus the latency target leaves exactly the target
 * as a cushion against jitter and against the silence of a failover. The clock runs on the viewer's monotonic time
 * and is moved gently, so that neither picture nor sound jumps; only a large error is corrected at once.
 *
 * Rules:
 * - settling (first second of arrivals): follow the best estimate at once; the backlog of the open group makes the
 *   first delays meaningless.
 * - afterwards: approach the wanted delay by at most 5 % of the elapsed time; beyond 1 s of error, jump.
 * - frames that all come late for 500 ms mean the path itself became longer: forget the old minimum.
 *
 * All times in microseconds; `now` is injected.
 */

const BUCKET_US = 1_000_000;
/** Ten seconds remember the best path but follow a drifting clock. */
const BUCKETS = 10;
const SETTLING_US = 1_000_000;
/** 5 % is not heard in speech with resampling and not seen in motion. */
const SLEW = 0.05;
const JUMP_US = 1_000_000;
const LATE_US = 500_000;

interface Bucket {
  start: number;
  min: number;
}

export class PlayoutClock {
  private buckets: Bucket[] = [];
  private applied: number | undefined;
  private firstArrival: number | undefined;
  private updated = 0;
  private lateSince: number | undefined;
  private lateMin = Infinity;

  constructor(private target_us: number) {}

  /** Change the cushion; the viewer asked for it, so it takes effect at once. */
  setTarget(target_us: number): void {
    this.target_us = target_us;
    this.applied = undefined;
  }

  get targetUs(): number {
    return this.target_us;
  }

  get started(): boolean {
    return this.applied !== undefined;
  }

  /** A frame with timestamp `pts` has arrived. */
  observe(pts: number, now: number): void {
    const delay = now - pts;
    this.firstArrival ??= now;
    this.remember(delay, now);
    this.noticeLateness(delay, now);
    this.advance(now);
  }

  /** The media time on show at `now`. Before the first frame: minus infinity, nothing is due. */
  position(now: number): number {
    this.advance(now);
    return this.applied === undefined ? -Infinity : now - this.applied;
  }

  /** Start over, as after a pause: the next arrivals settle the clock anew. */
  reset(): void {
    this.buckets = [];
    this.applied = undefined;
    this.firstArrival = undefined;
    this.lateSince = undefined;
  }

  private remember(delay: number, now: number): void {
    const last = this.buckets[this.buckets.length - 1];
    if (last && now - last.start < BUCKET_US) {
      last.min = Math.min(last.min, delay);
      return;
    }
    this.buckets.push({ start: now, min: delay });
    if (this.buckets.length > BUCKETS) this.buckets.shift();
  }

  private noticeLateness(delay: number, now: number): void {
    if (this.applied === undefined || delay <= this.applied) {
      this.lateSince = undefined;
      return;
    }
    if (this.lateSince === undefined) {
      this.lateSince = now;
      this.lateMin = delay;
      return;
    }
    this.lateMin = Math.min(this.lateMin, delay);
    if (now - this.lateSince < LATE_US) return;
    this.buckets = [{ start: now, min: this.lateMin }];
    this.applied = this.lateMin + this.target_us;
    this.lateSince = undefined;
  }

  private advance(now: number): void {
    if (this.firstArrival === undefined || this.buckets.length === 0) return;
    const wanted = Math.min(...this.buckets.map((b) => b.min)) + this.target_us;
    const elapsed = Math.max(0, now - this.updated);
    this.updated = now;
    const error = this.applied === undefined ? 0 : wanted - this.applied;
    const settling = now - this.firstArrival < SETTLING_US;
    if (this.applied === undefined || settling || Math.abs(error) > JUMP_US) {
      this.applied = wanted;
      return;
    }
    const step = Math.min(Math.abs(error), elapsed * SLEW);
    this.applied += Math.sign(error) * step;
  }
}
