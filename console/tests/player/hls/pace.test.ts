import { expect, it } from "vitest";
import { Pace } from "../../../src/player/hls/pace";

const PART_MS = 200;
const STEP_MS = 20;

interface Viewer {
  now_ms: number;
  position_ms: number;
  /** Parts that have come. */
  parts: number;
  /** How long after its end a part comes. */
  late_ms: (part: number) => number;
  lows_ms: number[];
  rates: number[];
}

/** Let time pass; the playhead stops where the buffer ends. */
function watch(pace: Pace, viewer: Viewer, for_ms: number): Viewer {
  const end_ms = viewer.now_ms + for_ms;
  let { now_ms, position_ms, parts } = viewer;
  let buffered_ms = parts * PART_MS;
  let still = false;
  for (; now_ms < end_ms; now_ms += STEP_MS) {
    while ((parts + 1) * PART_MS + viewer.late_ms(parts) <= now_ms) {
      viewer.lows_ms.push(buffered_ms - position_ms);
      buffered_ms = ++parts * PART_MS;
      pace.arrived(buffered_ms / 1000, now_ms);
    }
    const rate = pace.rate(position_ms / 1000, now_ms);
    viewer.rates.push(rate);
    const next_ms = position_ms + rate * STEP_MS;
    if (next_ms > buffered_ms && !still) pace.stalled();
    still = next_ms > buffered_ms;
    position_ms = Math.min(next_ms, buffered_ms);
  }
  return Object.assign(viewer, { now_ms, position_ms, parts });
}

const viewer = (behind_ms: number, late_ms: (part: number) => number): Viewer => ({
  now_ms: 100_000, position_ms: 100_000 - behind_ms, parts: 499, late_ms, lows_ms: [], rates: [],
});
const least = (values: number[]): number => Math.min(...values);

it("catches up until the cushion is left, and then plays at one", () => {
  const pace = new Pace(400);
  const seen = watch(pace, viewer(2000, () => 50), 60_000);
  expect(Math.max(...seen.rates)).toBeLessThanOrEqual(1.08);
  seen.lows_ms = [];
  seen.rates = [];
  watch(pace, seen, 10_000);
  expect(new Set(seen.rates)).toEqual(new Set([1]));
  expect(least(seen.lows_ms)).toBeGreaterThan(280);
  expect(least(seen.lows_ms)).toBeLessThan(520);
});

it("keeps the cushion below the worst of an uneven line", () => {
  const pace = new Pace(400);
  const uneven = (part: number): number => (part % 7 === 0 ? 350 : 50);
  const seen = watch(pace, viewer(2500, uneven), 60_000);
  seen.lows_ms = [];
  watch(pace, seen, 10_000);
  expect(least(seen.lows_ms)).toBeGreaterThan(280);
  expect(pace.cushion_ms).toBe(400);
});

it("slows down before the buffer is empty", () => {
  const pace = new Pace(400);
  const seen = watch(pace, viewer(450, () => 50), 30_000);
  expect(Math.min(...seen.rates)).toBeLessThan(1);
  seen.lows_ms = [];
  watch(pace, seen, 5000);
  expect(least(seen.lows_ms)).toBeGreaterThan(270);
});

it("widens the cushion at a stall and comes back slowly", () => {
  const pace = new Pace(400);
  const seen = watch(pace, viewer(700, () => 50), 20_000);
  // Nothing for a second and a half, once.
  const hole = Math.floor(seen.now_ms / PART_MS) + 5;
  seen.late_ms = (part) => (part >= hole && part < hole + 8 ? 50 + 1500 - (part - hole) * PART_MS : 50);
  watch(pace, seen, 3000);
  expect(pace.cushion_ms).toBeGreaterThan(650);
  watch(pace, seen, 30_000);
  seen.lows_ms = [];
  watch(pace, seen, 1000);
  expect(least(seen.lows_ms)).toBeGreaterThan(400);
  watch(pace, seen, 90_000);
  expect(pace.cushion_ms).toBe(400);
  seen.lows_ms = [];
  watch(pace, seen, 1000);
  expect(least(seen.lows_ms)).toBeLessThan(530);
});

it("is exhausted after many stalls in a row only", () => {
  const pace = new Pace(400);
  pace.stalled();
  pace.stalled();
  expect(pace.widest).toBe(false);
  for (let i = 0; i < 5; i++) pace.stalled();
  expect(pace.widest).toBe(true);
  expect(pace.cushion_ms).toBeLessThan(2500);
});

it("does not learn from the burst after a start or a seek", () => {
  const pace = new Pace(400);
  pace.restart(0);
  for (let i = 1; i < 10; i++) pace.arrived(10 + i * 0.2, i * 10);
  expect(pace.rate(10, 200)).toBe(1);
  expect(pace.reserve_ms(10, 200)).toBeUndefined();
});
