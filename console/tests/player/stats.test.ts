import { describe, expect, it } from "vitest";
import { GapMeter, RateMeter } from "../../src/player/stats";

describe("GapMeter", () => {
  it("keeps the longest distance, and counts the open one", () => {
    const meter = new GapMeter(200);
    for (const now of [0, 40, 340, 380]) meter.mark(now);
    expect(meter.read(400)).toMatchObject({ longest_ms: 300, stalls: 1 });
    expect(meter.read(900)).toMatchObject({ longest_ms: 520, stalls: 2 });
  });

  it("does not count an interruption", () => {
    const meter = new GapMeter(200);
    meter.mark(0);
    meter.interrupt();
    meter.mark(5000);
    expect(meter.read(5000)).toMatchObject({ longest_ms: 0, stalls: 0 });
  });

  it("forgets the longest on request", () => {
    const meter = new GapMeter();
    meter.mark(0);
    meter.mark(500);
    meter.resetLongest();
    expect(meter.read(510).longest_ms).toBe(10);
  });
});

it("RateMeter sums a sliding window", () => {
  const meter = new RateMeter(1000);
  for (let now = 0; now < 3000; now += 100) meter.add(5, now);
  expect(meter.perSecond(2950)).toBe(50);
  expect(meter.perSecond(9000)).toBe(0);
});
