/**
 * Which rendition to fetch: a state machine without I/O. The caller reports what it sees and asks `decide` every 50 ms.
 *
 * Rules, in the order of their weight
 * - The viewer's own choice, then the size of the picture on the screen, bound everything else.
 * - OVERLOAD: frames are late by more than the latency target can bear, and the link delivers less than the tracks need
 *   (link-monitor.ts). The way down is taken at once and to where the measured capacity leads, not step by step:
 *   whatever is sent meanwhile queues in front of the sound. It is URGENT: the old track is given up on the spot.
 * - A decoder that cannot follow steps down by one, seamlessly; it says nothing about the link.
 * - UP by one step, after a quiet time: short when large frames have shown that the link can carry the next
 *   rendition, long when it has to be tried, longer still when they have shown that it cannot. Trouble within `REGRET_MS` of it makes the next quiet time twice as long, so a link
 *   that carries one rendition and not the next one is tried ever more seldom. A step that has stood for long halves it.
 * - A rendition that leaves the ladder is carried by the next larger one, at no more than its own rate: that is taken,
 *   while the old track still brings pictures, and nothing larger, which the link may not bear.
 * - After any step nothing is decided until its effect can be seen, except that an urgent step may follow an upward one.
 */

import type { LinkState } from "./link-monitor";
import { largestWorth, type Step } from "./ladder";

export const QUIET_MS = 12_000;
/** Quiet time when the link has shown room for the next rendition. */
export const QUIET_KNOWN_MS = 5000;
/** Quiet time when it has shown that there is none: measurements may be wrong, but seldom. */
export const QUIET_NARROW_MS = 60_000;
export const QUIET_MAX_MS = 180_000;
export const REGRET_MS = 12_000;
/** An urgent step empties the queue first; after a slow one its first group must have come. */
export const SETTLE_MS = 2500;
/** After a step up stood this long its rendition counts as carried. */
const CARRIED_MS = 60_000;
/** A rendition fits when the capacity exceeds it by this: containers, acknowledgements, QUIC and UDP headers. */
const OVERHEAD = 1.08;
/** Share of a measured capacity that is planned with. */
const SAFE_SHARE = 0.9;
/** Room that bursts must have shown for a quick step up. */
const ROOM = 1.15;
/** Even the smallest picture is so late that sound would break off: leave some pictures out, but not all of them. */
const HOPELESS_MS = 400;
const HOPELESS_EVERY_MS = 6000;
/** Without any knowledge of the link: begin with what most links carry. */
const START_BPS = 2_600_000;
/** Late means: by this share of the latency target, within these bounds. */
const LATE_SHARE = 0.45;
const LATE_MIN_MS = 45;
const LATE_MAX_MS = 300;

/** The link delivers too little when it is below this share of the demand. */
const SHORT_SHARE = 0.95;
const PLAIN_SHARE = 0.75;
const SHORT_BUSY_MS = 220;

export type Decision =
  | { do: "stay" }
  /** @param urgent give the running track up at once */
  | { do: "step"; track: string; urgent: boolean; why: "overload" | "decoder" | "room" | "size" | "viewer" | "gone" | "start" };

export interface Sight {
  /** Largest first. */
  ladder: readonly Step[];
  shown_px: number;
  link: LinkState;
  audio_bps: number;
  target_ms: number;
}

export class Adaptation {
  private manual: string | undefined;
  private maxHeight = Infinity;
  private track: string | undefined;
  /** What was last chosen, as the ladder had it then. */
  private shown: Step | undefined;
  private quiet_ms = QUIET_MS;
  private lastTrouble = -Infinity;
  private lastStep = -Infinity;
  private lastUp = -Infinity;
  private decoderFails = false;
  /** Tracks and their codecs. */
  private readonly barred = new Set<string>();

  /** Fix the choice to a track, or undefined for automatic. */
  fix(track: string | undefined): void {
    this.manual = track;
  }

  get fixed(): string | undefined {
    return this.manual;
  }

  limit(lines: number): void {
    this.maxHeight = lines;
  }

  /** The decoder cannot follow, or came too late. */
  suffer(): void {
    this.decoderFails = true;
  }

  /** The browser cannot decode this track as it is encoded now. Returns whether another one is left. */
  bar(bad: Step, ladder: readonly Step[]): boolean {
    this.barred.add(keyOf(bad));
    if (this.track === bad.track) this.track = undefined;
    return ladder.some((step) => !this.isBarred(step));
  }

  private isBarred(step: Step): boolean {
    return this.barred.has(keyOf(step));
  }

  decide(sight: Sight, now_ms: number): Decision {
    const ladder = sight.ladder.filter((step) => !this.isBarred(step));
    if (ladder.length === 0) return { do: "stay" };
    const decoderFails = this.decoderFails;
    this.decoderFails = false;
    const fixed = ladder.find((step) => step.track === this.manual);
    if (fixed) return fixed.track === this.track ? { do: "stay" } : this.go(fixed, false, "viewer", now_ms);
    const top = largestWorth(ladder, sight.shown_px, this.maxHeight);
    const at = ladder.findIndex((step) => step.track === this.track);
    const begin = ladder[top];
    if (at < 0) {
      const gone = this.shown;
      const carrier = gone && [...ladder].reverse().find((step) => step.height >= gone.height);
      if (carrier && !this.isBarred(gone)) return this.go(carrier, false, "gone", now_ms);
      const modest = ladder.find((step, index) => index >= top && step.bitrate_bps <= START_BPS) ?? ladder[ladder.length - 1];
      return modest ? this.go(modest, false, "start", now_ms) : { do: "stay" };
    }
    if (at < top && begin) return this.go(begin, false, "size", now_ms);
    return this.down(ladder, at, sight, decoderFails, now_ms) ?? this.up(ladder, at, top, sight, now_ms) ?? { do: "stay" };
  }

  private down(ladder: readonly Step[], at: number, sight: Sight, decoderFails: boolean, now_ms: number): Decision | undefined {
    const overload = overloaded(sight);
    if (!overload && !decoderFails) return undefined;
    this.lastTrouble = now_ms;
    const afterUp = this.lastUp === this.lastStep;
    if (now_ms - this.lastStep < SETTLE_MS && !(overload && afterUp)) return undefined;
    if (afterUp && now_ms - this.lastUp < REGRET_MS) this.quiet_ms = Math.min(this.quiet_ms * 2, QUIET_MAX_MS);
    const lowest = ladder.length - 1;
    if (at >= lowest) return this.again(ladder[at], overload, sight, now_ms);
    const room_bps = sight.link.delivered_bps * SAFE_SHARE - sight.audio_bps;
    const fits = ladder.findIndex((step, index) => index > at && step.bitrate_bps * OVERHEAD <= room_bps);
    const to = overload ? (fits < 0 ? lowest : fits) : at + 1;
    const step = ladder[to];
    return step ? this.go(step, overload, overload ? "overload" : "decoder", now_ms) : undefined;
  }

  /** Nothing smaller is left: when the queue is long, leave out pictures until it is empty, so that sound goes on. */
  private again(step: Step | undefined, overload: boolean, sight: Sight, now_ms: number): Decision | undefined {
    if (!step || !overload || sight.link.lateness_ms < Math.max(HOPELESS_MS, sight.target_ms)) return undefined;
    if (now_ms - this.lastStep < HOPELESS_EVERY_MS) return undefined;
    return this.go(step, true, "overload", now_ms);
  }

  private up(ladder: readonly Step[], at: number, top: number, sight: Sight, now_ms: number): Decision | undefined {
    const next = ladder[at - 1];
    if (at <= top || !next) return undefined;
    if (now_ms - this.lastUp > CARRIED_MS) this.quiet_ms = Math.max(QUIET_MS, this.quiet_ms / 2);
    const needs_bps = next.bitrate_bps * OVERHEAD + sight.audio_bps;
    const { burst_bps } = sight.link;
    const narrow = burst_bps > 0 && burst_bps < needs_bps * ROOM;
    const shown = burst_bps > 0 && !narrow && this.quiet_ms === QUIET_MS;
    const wait_ms = shown ? QUIET_KNOWN_MS : narrow ? Math.max(this.quiet_ms, QUIET_NARROW_MS) : this.quiet_ms;
    if (now_ms - Math.max(this.lastTrouble, this.lastStep) < wait_ms) return undefined;
    if (sight.link.lateness_ms > lateLimit(sight.target_ms) / 2) return undefined;
    this.lastUp = now_ms;
    return this.go(next, false, "room", now_ms);
  }

  private go(step: Step, urgent: boolean, why: (Decision & { do: "step" })["why"], now_ms: number): Decision {
    this.track = step.track;
    this.shown = step;
    this.lastStep = now_ms;
    return { do: "step", track: step.track, urgent, why };
  }
}

function keyOf({ track, codec }: Step): string {
  return `${track} ${codec ?? ""}`;
}

export function lateLimit(target_ms: number): number {
  return Math.min(Math.max(target_ms * LATE_SHARE, LATE_MIN_MS), LATE_MAX_MS);
}

function overloaded({ link, target_ms }: Sight): boolean {
  if (link.busy_bps === undefined || link.lateness_ms < lateLimit(target_ms)) return false;
  // A short while holds few frames: then the shortage has to be plain.
  const enough = link.busy_ms < SHORT_BUSY_MS ? PLAIN_SHARE : SHORT_SHARE;
  return link.busy_bps < link.demand_bps * enough;
}
