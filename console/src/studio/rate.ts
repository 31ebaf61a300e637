/**
 * How much the picture may cost, from what the line takes. Pure: readings in, decisions out.
 *
 * The line is too narrow when what was written and not yet sent grows. Then the encoder is told a lower rate at once, a
 * fifth below what really left; when much is waiting already, pictures are left out until it is gone, and the next one is a keyframe.
 * Sound is never left out. A line that has been good for a while is tried with a little more.
 */

export interface RateLimits {
  max_bps: number;
  min_bps: number;
}

export interface Reading {
  now_ms: number;
  /** Bytes handed to the transport since the start. */
  written_bytes: number;
  /** Bytes that have left this machine; undefined where the browser does not tell. */
  sent_bytes: number | undefined;
  /** Pictures that wait for the encoder. */
  encode_queue: number;
}

export const BACKLOG_LOWER_MS = 250;
export const BACKLOG_SKIP_MS = 800;
const BACKLOG_GOOD_MS = 120;
/** A reading later than this is compared anew: the page slept. */
const STALE_MS = 3000;
const LOWER_EVERY_MS = 1000;
const RAISE_AFTER_MS = 3000;
/** The transport gives up groups that are older (`LATE_MS` of the publisher): what still waits then never leaves. */
const GIVEN_UP_MS = 2500;
const RAISE = 1.2;
const MAX_ENCODE_QUEUE = 4;

export class RateControl {
  target_bps: number;
  backlog_ms = 0;
  private skipping = false;
  private last: Reading | undefined;
  private sent_bps = 0;
  private lowered_at_ms = -Infinity;
  private good_since_ms: number | undefined;
  private skipping_since_ms: number | undefined;
  private given_up_bytes = 0;

  constructor(private readonly limits: RateLimits) {
    this.target_bps = limits.max_bps;
  }

  /** Whether the next picture is left out. */
  get leavesOut(): boolean {
    return this.skipping;
  }

  /** Take a reading, a few times a second. Returns whether the target has changed. */
  take(reading: Reading): boolean {
    const before_bps = this.target_bps;
    const last = this.last;
    this.last = reading;
    if (reading.encode_queue > MAX_ENCODE_QUEUE) this.skipping = true;
    if (reading.sent_bytes !== undefined && last?.sent_bytes !== undefined) {
      const passed_ms = reading.now_ms - last.now_ms;
      if (passed_ms > 0 && passed_ms < STALE_MS) {
        const now_bps = ((reading.sent_bytes - last.sent_bytes) * 8000) / passed_ms;
        this.sent_bps = this.sent_bps === 0 ? now_bps : this.sent_bps * 0.7 + now_bps * 0.3;
      }
      const waiting_bytes = Math.max(0, reading.written_bytes - reading.sent_bytes - this.given_up_bytes);
      if (this.skipping && reading.now_ms - (this.skipping_since_ms ?? reading.now_ms) > GIVEN_UP_MS) {
        this.given_up_bytes += waiting_bytes;
        this.skipping_since_ms = reading.now_ms;
      }
      this.backlog_ms = (waiting_bytes * 8000) / Math.max(this.sent_bps, this.limits.min_bps / 2);
    }
    this.judge(reading);
    return this.target_bps !== before_bps;
  }

  private judge({ now_ms, encode_queue }: Reading): void {
    if (this.backlog_ms > BACKLOG_SKIP_MS) this.skipping = true;
    else if (this.backlog_ms < BACKLOG_GOOD_MS && encode_queue <= 1) this.skipping = false;
    this.skipping_since_ms = this.skipping ? (this.skipping_since_ms ?? now_ms) : undefined;
    if (this.backlog_ms > BACKLOG_LOWER_MS) {
      this.good_since_ms = undefined;
      if (now_ms - this.lowered_at_ms >= LOWER_EVERY_MS) {
        this.lowered_at_ms = now_ms;
        this.setTarget(Math.min(this.target_bps * 0.7, Math.max(this.sent_bps * 0.8, this.target_bps * 0.4)));
      }
    } else if (this.backlog_ms < BACKLOG_GOOD_MS) {
      this.good_since_ms ??= now_ms;
      if (now_ms - this.good_since_ms >= RAISE_AFTER_MS) {
        this.good_since_ms = now_ms;
        this.setTarget(this.target_bps * RAISE);
      }
    }
  }

  private setTarget(bps: number): void {
    this.target_bps = Math.round(Math.min(this.limits.max_bps, Math.max(this.limits.min_bps, bps)));
  }
}
