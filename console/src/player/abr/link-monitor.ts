/**
 * What arrivals tell about the link: pure, all time injected.
 *
 * Theory. A live source sends at its own pace, so a frame's `delay = arrival - media time` is constant plus whatever
 * it waited in queues. The smallest delay of the last seconds is the path without queueing; LATENESS is what the newest
 * arrivals have on top of it. A large frame (a key frame) is late by its own serialisation time on any link, so
 * lateness alone proves nothing. What does is the DELIVERY RATE while late: from the last arrival that was on time on,
 * the link was never idle, so bytes over time is its capacity. When that is less than what the tracks need, the queue
 * grows, and goes on growing; nothing else looks like this.
 *
 * A large frame is also a measurement: what it is late by is the time that it took on the wire. Every key frame tells
 * in this way what the link could carry, long before anything is late.
 *
 * Silence is the limit of lateness: a frame that should have come is late by at least the time waited for it.
 *
 * Jitter and lost packets make SOME frames late, a queue makes ALL of them late: of the arrivals of a short while the
 * least late one counts, and of several tracks the least late track. Only where a track stays late for long while
 * another is not (the sender prefers sound and starves the picture) the late track counts alone.
 */

/** Lateness below this is jitter of ordinary links and of the browser's own event loop. */
const ON_TIME_MS = 15;
/** All frames of this long... */
const SHORT_MS = 80;
/** ...or, of a single track, of this long have to be late. */
const LONG_MS = 300;
/** A frame tells the speed of the link when it is this large, in itself and beside its neighbours. */
const LARGE_BITS = 40_000;
const LARGE_FACTOR = 3;
/** What the smallest delay of all holds of serialisation and of reading it here. */
const FLOOR_MS = 6;
const BURST_MEMORY_MS = 9000;
/** A shorter busy period holds too few frames to call their rate a capacity. */
const MIN_BUSY_MS = 110;
const BUCKET_MS = 1000;
const BUCKETS = 10;
/** Encoders for live reorder by up to three frames: the largest delay of four stands for all of them. */
const REORDER_FRAMES = 4;
/** Demand is averaged over a slot of two seconds, so that each average holds a key frame. */
const DEMAND_WINDOW_MS = 2000;

export interface LinkState {
  /** How much later than on an empty path the newest frames came, the silence since then included. */
  lateness_ms: number;
  /** Capacity of the link while it was busy, at the most; undefined while frames come on time. */
  busy_bps: number | undefined;
  /** What was delivered meanwhile: capacity at the least. */
  delivered_bps: number;
  /** How long it has been busy. */
  busy_ms: number;
  /** What the subscribed tracks carry, in media time. */
  demand_bps: number;
  /** Fastest delivery of a large frame in the last seconds: the link can do about this. 0 when there was none. */
  burst_bps: number;
}

/** What waited while the thread was blocked is worked off within this. */
const DISTORTED_MS = 150;

interface Sample {
  at_ms: number;
  bits: number;
}

/** One track's delays. */
class Path {
  private buckets: { start_ms: number; min: number }[] = [];
  private recent: number[] = [];
  private media: { pts_ms: number; bits: number }[] = [];
  private late: { at_ms: number; by_ms: number }[] = [];
  private last_ms = -Infinity;

  /** @returns the speed of the link, where the frame is large enough to tell */
  arrival(pts_ms: number, bits: number, now_ms: number): number | undefined {
    this.last_ms = now_ms;
    this.recent.push(now_ms - pts_ms);
    if (this.recent.length > REORDER_FRAMES) this.recent.shift();
    const delay = Math.max(...this.recent);
    if (this.recent.length === REORDER_FRAMES) this.note(delay, now_ms);
    this.media.push({ pts_ms, bits });
    const oldest = pts_ms - DEMAND_WINDOW_MS;
    while ((this.media[0]?.pts_ms ?? Infinity) < oldest) this.media.shift();
    const floor = Math.min(...this.buckets.map((bucket) => bucket.min));
    const by_ms = Number.isFinite(floor) ? Math.max(0, Math.max(...this.recent.slice(-2)) - floor) : 0;
    this.late = this.late.filter((one) => now_ms - one.at_ms < LONG_MS);
    this.late.push({ at_ms: now_ms, by_ms });
    const average = this.media.reduce((sum, frame) => sum + frame.bits, 0) / this.media.length;
    const large = bits >= LARGE_BITS && bits >= LARGE_FACTOR * average;
    return large && Number.isFinite(floor) ? (bits * 1000) / (by_ms + FLOOR_MS) : undefined;
  }

  /** The least lateness of all arrivals of the last `window_ms`; of the silence, when nothing came. */
  lateness(window_ms: number, now_ms: number): number {
    const within = this.late.filter((one) => now_ms - one.at_ms < window_ms);
    const last = this.late[this.late.length - 1];
    const waited_ms = Math.max(0, now_ms - this.last_ms - 1.5 * this.interval_ms);
    if (within.length === 0) return (last?.by_ms ?? 0) + (this.interval_ms > 0 ? waited_ms : 0);
    return Math.min(...within.map((one) => one.by_ms)) + waited_ms;
  }

  /**
   * What may be on its way unseen: frames are told of when they are whole, so a silent track may be in the middle of
   * one as large as its largest.
   */
  unseenBits(now_ms: number): number {
    if (now_ms - this.last_ms <= 1.5 * this.interval_ms) return 0;
    return Math.max(0, ...this.media.map((frame) => frame.bits));
  }

  private get interval_ms(): number {
    const first = this.media[0];
    const last = this.media[this.media.length - 1];
    return first && last && first !== last ? (last.pts_ms - first.pts_ms) / (this.media.length - 1) : 0;
  }

  /** Bits per second of media. */
  get demand_bps(): number {
    const first = this.media[0];
    const last = this.media[this.media.length - 1];
    const span_ms = first && last ? last.pts_ms - first.pts_ms : 0;
    if (span_ms < 300) return 0;
    return (this.media.reduce((sum, frame) => sum + frame.bits, 0) * 1000) / span_ms;
  }

  private note(delay: number, now_ms: number): void {
    const bucket = this.buckets[this.buckets.length - 1];
    if (bucket && now_ms - bucket.start_ms < BUCKET_MS) bucket.min = Math.min(bucket.min, delay);
    else this.buckets.push({ start_ms: now_ms, min: delay });
    if (this.buckets.length > BUCKETS) this.buckets.shift();
  }
}

export class LinkMonitor {
  private readonly paths = new Map<string, Path>();
  /** Arrivals since the link was last seen idle. */
  private busy: Sample[] = [];
  private idle_ms: number | undefined;
  private distorted_until = -Infinity;
  private bursts: { at_ms: number; bps: number }[] = [];

  arrival(track: string, pts_us: number, bytes: number, now_ms: number): void {
    const path = this.paths.get(track) ?? new Path();
    this.paths.set(track, path);
    const bits = bytes * 8;
    const burst_bps = path.arrival(pts_us / 1000, bits, now_ms);
    this.idle_ms ??= now_ms;
    this.busy.push({ at_ms: now_ms, bits });
    const distorted = now_ms <= this.distorted_until;
    if (burst_bps !== undefined && !distorted) this.bursts.push({ at_ms: now_ms, bps: burst_bps });
    if (!distorted && this.lateness(now_ms) > ON_TIME_MS) return;
    this.idle_ms = now_ms;
    this.busy = [];
  }

  /** This thread was blocked: what arrived meanwhile was not late on the link, only in line. */
  heldUp(now_ms: number): void {
    this.distorted_until = now_ms + DISTORTED_MS;
    this.busy = [];
    this.idle_ms = now_ms;
  }

  /** The link is not what it was: earlier speeds say nothing about it. */
  forgetBursts(): void {
    this.bursts = [];
  }

  /** The track is not subscribed any more. */
  forget(track: string): void {
    this.paths.delete(track);
  }

  /** Whatever is known belongs to another path, or to the time before a sleep. */
  reset(): void {
    this.paths.clear();
    this.busy = [];
    this.idle_ms = undefined;
  }

  state(now_ms: number): LinkState {
    const lateness_ms = now_ms > this.distorted_until ? this.lateness(now_ms) : 0;
    const busy_ms = this.idle_ms === undefined ? 0 : now_ms - this.idle_ms;
    const unseen = [...this.paths.values()].reduce((sum, path) => sum + path.unseenBits(now_ms), 0);
    const bits = this.busy.reduce((sum, sample) => sum + sample.bits, 0);
    const judged = lateness_ms > ON_TIME_MS && busy_ms >= MIN_BUSY_MS;
    this.bursts = this.bursts.filter((burst) => now_ms - burst.at_ms < BURST_MEMORY_MS);
    return {
      lateness_ms,
      busy_bps: judged ? ((bits + unseen) * 1000) / busy_ms : undefined,
      delivered_bps: busy_ms > 0 ? (bits * 1000) / busy_ms : 0,
      busy_ms,
      demand_bps: [...this.paths.values()].reduce((sum, path) => sum + path.demand_bps, 0),
      burst_bps: Math.max(0, ...this.bursts.map((burst) => burst.bps)),
    };
  }

  private lateness(now_ms: number): number {
    const paths = [...this.paths.values()];
    if (paths.length === 0) return 0;
    const all = Math.min(...paths.map((path) => path.lateness(SHORT_MS, now_ms)));
    const long = this.idle_ms !== undefined && now_ms - this.idle_ms >= LONG_MS;
    return long ? Math.max(all, ...paths.map((path) => path.lateness(LONG_MS, now_ms))) : all;
  }
}
