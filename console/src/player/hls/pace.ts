/**
 * How fast to play over LL-HLS, so that little media waits in front of the playhead, and never none. Pure: time is
 * injected.
 *
 * The reserve is what was left in the buffer when it was at its lowest: just before the next part came, in the worst case
 * of the last seconds, were the playhead then where it is now. It needs no clock but one, and a line that brings parts
 * unevenly is seen in it before the picture stops. The playhead moves faster while the reserve is above the cushion, and
 * slower while it is well below. A stall widens the cushion at once; it shrinks again slowly.
 *
 * hls.js's own way (`maxLiveSyncPlaybackRate`) aims at a distance from the live edge, and never catches up with less than a
 * second in the buffer.
 */

/** Parts come five times a second; what happened longer ago than this is forgotten. */
const WINDOW_MS = 10_000;
/** At the start, and after a seek, parts come as fast as they can be fetched, which says nothing. */
const GRACE_MS = 1500;
/** Between these distances from the cushion the rate stays one: speech is best left alone. */
const ABOVE_MS = 120;
const BELOW_MS = -120;
/** Catching up goes on until so near. */
const NEAR_MS = 30;
/** Speech stays natural up to about a tenth. */
const FASTEST = 1.08;
const SLOWEST = 0.95;
/** A second too much is caught up with in twelve. */
const RATE_PER_MS = 0.08 / 1000;

const WIDER_MS = 300;
const WIDEST_MS = 1800;
/** A stall is forgotten in a minute. */
const NARROWER_MS_PER_S = 5;

export class Pace {
  private slacks: { at_ms: number; slack_ms: number }[] = [];
  private end_ms: number | undefined;
  private quiet_until_ms = 0;
  private extra_ms = 0;
  private asked_ms: number | undefined;
  private now_rate = 1;

  /** @param floor_ms the cushion while all goes well */
  constructor(public floor_ms: number) {}

  /** What is kept in front of the playhead, at its lowest. */
  get cushion_ms(): number {
    return this.floor_ms + this.extra_ms;
  }

  /** Whether waiting longer is no cure: the cushion has been widened as far as it goes. */
  get widest(): boolean {
    return this.extra_ms > WIDEST_MS - WIDER_MS;
  }

  /** The playhead was moved, or stood still at the viewer's will: what is known of the buffer does not count. */
  restart(now_ms: number): void {
    this.slacks = [];
    this.end_ms = undefined;
    this.quiet_until_ms = now_ms + GRACE_MS;
    this.now_rate = 1;
  }

  /** The picture stopped for want of media. */
  stalled(): void {
    this.extra_ms = Math.min(this.extra_ms + WIDER_MS, WIDEST_MS);
  }

  /** Media came; the buffer around the playhead ends at `end_s`, in the media element's time. */
  arrived(end_s: number, now_ms: number): void {
    const before_ms = this.end_ms;
    this.end_ms = end_s * 1000;
    if (before_ms === undefined || this.end_ms <= before_ms || now_ms < this.quiet_until_ms) return;
    this.slacks = this.slacks.filter((slack) => now_ms - slack.at_ms < WINDOW_MS);
    this.slacks.push({ at_ms: now_ms, slack_ms: before_ms - now_ms });
  }

  /** How much was left at worst, for a playhead at `position_s` now; undefined while that is not known. */
  reserve_ms(position_s: number, now_ms: number): number | undefined {
    if (this.end_ms === undefined || this.slacks.length === 0) return undefined;
    const worst_ms = this.slacks.reduce((least, { slack_ms }) => Math.min(least, slack_ms), this.end_ms - now_ms);
    return worst_ms + now_ms - position_s * 1000;
  }

  /** The rate to play at; ask a few times a second. */
  rate(position_s: number, now_ms: number): number {
    const passed_s = (now_ms - (this.asked_ms ?? now_ms)) / 1000;
    this.asked_ms = now_ms;
    this.extra_ms = Math.max(0, this.extra_ms - NARROWER_MS_PER_S * passed_s);
    const reserve_ms = this.reserve_ms(position_s, now_ms);
    if (reserve_ms === undefined) return (this.now_rate = 1);
    const over_ms = reserve_ms - this.cushion_ms;
    const goesOn = this.now_rate > 1 ? over_ms > NEAR_MS : this.now_rate < 1 && over_ms < -NEAR_MS;
    if (!goesOn && over_ms > BELOW_MS && over_ms < ABOVE_MS) return (this.now_rate = 1);
    const wanted = Math.min(FASTEST, Math.max(SLOWEST, 1 + over_ms * RATE_PER_MS));
    // A change of rate is work for the browser's sound: whole hundredths only, and one at least.
    const hundredths = Math.round((wanted - 1) * 100) || Math.sign(over_ms);
    return (this.now_rate = 1 + hundredths / 100);
  }
}
