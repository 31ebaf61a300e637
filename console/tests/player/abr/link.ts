/**
 * A viewer on a narrow link, simulated: a live source with key frames, a link with a rate, a delay and jitter, sound
 * ahead of the picture, and the real monitor and decisions on the other side. Time is virtual, chance is seeded.
 */

import { Adaptation } from "../../../src/player/abr/adaptation";
import type { Step } from "../../../src/player/abr/ladder";
import { LinkMonitor } from "../../../src/player/abr/link-monitor";

export const LADDER: Step[] = [
  { track: "source", height: 720, bitrate_bps: 2_400_000 },
  { track: "480p", height: 480, bitrate_bps: 1_400_000 },
  { track: "270p", height: 270, bitrate_bps: 500_000 },
];
const AUDIO_BPS = 96_000;
const FRAME_MS = 1000 / 30;
const PACKET_MS = 20;
const SLOT_MS = 2000;
/** A key frame weighs as much as this many others. */
const KEY_WEIGHT = 8;
const TICK_MS = 50;
const PATH_MS = 20;

export interface Trace {
  /** Capacity at a moment, bits per second. */
  rate(now_ms: number): number;
  jitter_ms?: number;
  /** Share of frames that have to be sent again, each a round trip later. */
  loss?: number;
  target_ms?: number;
  seed?: number;
}

export interface Change {
  at_ms: number;
  track: string;
  urgent: boolean;
  why: string;
}

interface Waiting {
  track: string;
  pts_ms: number;
  bits: number;
}

/** A small, seeded generator: mulberry32. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function bitsOf(step: Step, pts_ms: number): number {
  const perSlot = SLOT_MS / FRAME_MS + KEY_WEIGHT - 1;
  const unit = (step.bitrate_bps * 2) / perSlot;
  return pts_ms % SLOT_MS < FRAME_MS ? unit * KEY_WEIGHT : unit;
}

class Simulation {
  readonly changes: Change[] = [];
  readonly soundLate_ms: number[] = [];
  private readonly monitor = new LinkMonitor();
  private readonly choice = new Adaptation();
  private readonly next: () => number;
  private queue: Waiting[] = [];
  private arriving: (Waiting & { at_ms: number })[] = [];
  private fetched: { step: Step; from_ms: number }[] = [];
  private credit = 0;

  constructor(private readonly trace: Trace) {
    this.next = random(trace.seed ?? 1);
  }

  millisecond(now: number): void {
    this.send(now);
    this.carry(now);
    const arrived = this.arrive(now);
    if (arrived || now % TICK_MS === 0) this.decide(now);
  }

  private send(now: number): void {
    const frame = Math.floor(now / FRAME_MS);
    for (const { step, from_ms } of this.fetched) {
      if (now < from_ms || Math.floor((now - 1) / FRAME_MS) === frame) continue;
      this.queue.push({ track: step.track, pts_ms: frame * FRAME_MS, bits: bitsOf(step, frame * FRAME_MS) });
    }
    if (now % PACKET_MS !== 0) return;
    // The relay sends sound first, but what is on the wire already is ahead of it.
    const sound = { track: "opus", pts_ms: now, bits: (AUDIO_BPS * PACKET_MS) / 1000 };
    const onWire = this.queue[0] && this.queue[0].track !== "opus" ? 1 : 0;
    this.queue.splice(onWire, 0, sound);
  }

  private carry(now: number): void {
    const { trace, queue } = this;
    this.credit = queue.length === 0 ? 0 : this.credit + trace.rate(now) / 1000;
    for (let head = queue[0]; head && this.credit >= head.bits; head = queue[0]) {
      this.credit -= head.bits;
      const again = this.next() < (trace.loss ?? 0) ? 2 * PATH_MS + 10 : 0;
      this.arriving.push({ ...head, at_ms: now + PATH_MS + again + this.next() * (trace.jitter_ms ?? 0) });
      queue.shift();
    }
  }

  private arrive(now: number): boolean {
    const here = this.arriving.filter((one) => one.at_ms <= now);
    this.arriving = this.arriving.filter((one) => one.at_ms > now);
    for (const { track, pts_ms, bits } of here) {
      this.monitor.arrival(track, pts_ms * 1000, bits / 8, now);
      if (track === "opus") this.noteSound(now, now - pts_ms - PATH_MS);
      const newest = this.fetched[this.fetched.length - 1];
      if (newest?.step.track === track) this.keepOnly(newest);
    }
    return here.length > 0;
  }

  private noteSound(now: number, late_ms: number): void {
    const second = Math.floor(now / 1000);
    this.soundLate_ms[second] = Math.max(this.soundLate_ms[second] ?? 0, late_ms);
  }

  private keepOnly(kept: { step: Step; from_ms: number } | undefined): void {
    for (const old of this.fetched) if (old !== kept) this.monitor.forget(old.step.track);
    this.fetched = kept ? [kept] : [];
  }

  private decide(now: number): void {
    const { target_ms = 100 } = this.trace;
    const sight = { ladder: LADDER, shown_px: 720, link: this.monitor.state(now), audio_bps: AUDIO_BPS, target_ms };
    const decision = this.choice.decide(sight, now);
    const step = decision.do === "step" ? LADDER.find((one) => one.track === decision.track) : undefined;
    if (decision.do === "stay" || !step) return;
    this.changes.push({ at_ms: now, track: step.track, urgent: decision.urgent, why: decision.why });
    const from_ms = this.fetched.length === 0 ? now : (Math.floor(now / SLOT_MS) + 1) * SLOT_MS;
    if (decision.urgent) {
      this.queue = this.queue.filter((one) => one.track === "opus");
      this.keepOnly(undefined);
      this.monitor.forgetBursts();
    }
    this.fetched.push({ step, from_ms });
  }
}

/** Watch for so long. @returns every change of the rendition, and the worst lateness of sound by the second */
export function watch(trace: Trace, duration_ms: number): { changes: Change[]; soundLate_ms: number[] } {
  const simulation = new Simulation(trace);
  for (let now = 0; now < duration_ms; now++) simulation.millisecond(now);
  return simulation;
}

export const mbps = (value: number): number => value * 1e6;
