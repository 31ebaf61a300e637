import { describe, expect, it } from "vitest";
import { PlayoutClock } from "../../../src/player/moq/playout-clock";

const FRAME_US = 33_333;
const TARGET_US = 500_000;
/** The media clock and the viewer's clock have different origins. */
const ORIGIN_US = 1.7e15;

/** Frames from `from` to `to` (viewer's time) that each took `delay` of their timestamp on the way. */
function feed(clock: PlayoutClock, from: number, to: number, delay: (now: number) => number): void {
  for (let sent = from; sent < to; sent += FRAME_US) clock.observe(ORIGIN_US + sent, sent + delay(sent));
}

const behind = (clock: PlayoutClock, now: number): number => ORIGIN_US + now - clock.position(now);

describe("PlayoutClock", () => {
  it("shows nothing before the first frame", () => {
    expect(new PlayoutClock(TARGET_US).position(1e6)).toBe(-Infinity);
  });

  it("plays at the smallest delay plus the target", () => {
    const clock = new PlayoutClock(TARGET_US);
    feed(clock, 0, 3e6, (now) => 20_000 + (now % 5) * 4000);
    // The jitter of a few frames counts as their order, so a little more than the very smallest.
    expect(behind(clock, 3.1e6)).toBeGreaterThanOrEqual(520_000);
    expect(behind(clock, 3.1e6)).toBeLessThan(537_000);
  });

  it("finds the live edge at once although the open group's backlog comes first", () => {
    const clock = new PlayoutClock(TARGET_US);
    for (let i = 0; i < 45; i++) clock.observe(ORIGIN_US - 1.5e6 + i * FRAME_US, i * 500);
    feed(clock, 40_000, 300_000, () => 15_000);
    expect(behind(clock, 320_000)).toBeLessThan(530_000);
  });

  it("approaches a changed delay gently", () => {
    const clock = new PlayoutClock(TARGET_US);
    feed(clock, 0, 5e6, () => 100_000);
    const before = behind(clock, 5e6);
    feed(clock, 5e6, 6e6, () => 20_000);
    const after = behind(clock, 6e6);
    expect(before - after).toBeGreaterThan(20_000);
    expect(before - after).toBeLessThanOrEqual(55_000);
  });

  it("is not moved by a silence and the burst after it", () => {
    const clock = new PlayoutClock(TARGET_US);
    feed(clock, 0, 5e6, () => 20_000);
    feed(clock, 5e6, 5.3e6, (now) => 5.3e6 - now + 20_000);
    feed(clock, 5.3e6, 6e6, () => 20_000);
    expect(behind(clock, 6e6)).toBeCloseTo(520_000, -4);
  });

  it("takes a longer path for what it is after half a second of late frames", () => {
    const clock = new PlayoutClock(TARGET_US);
    feed(clock, 0, 5e6, () => 20_000);
    feed(clock, 5e6, 7e6, () => 900_000);
    expect(behind(clock, 7.9e6)).toBeGreaterThan(1_300_000);
  });

  it("follows a new target at once", () => {
    const clock = new PlayoutClock(TARGET_US);
    feed(clock, 0, 3e6, () => 20_000);
    clock.setTarget(100_000);
    expect(behind(clock, 3.05e6)).toBeCloseTo(120_000, -4);
  });

  it("waits for the slower of picture and sound", () => {
    const clock = new PlayoutClock(TARGET_US);
    for (let sent = 0; sent < 3e6; sent += FRAME_US) {
      clock.observe(ORIGIN_US + sent, sent + 10_000, "video");
      clock.observe(ORIGIN_US + sent, sent + 130_000, "audio");
    }
    expect(behind(clock, 3.05e6)).toBeCloseTo(630_000, -4);
    clock.forget("audio");
    expect(behind(clock, 8e6)).toBeCloseTo(510_000, -4);
  });

  it("makes sound that runs low last, the more the less is left, and catches up afterwards", () => {
    const clock = new PlayoutClock(100_000);
    const sound = (from: number, until: number, delayOf: (sent: number) => number): void => {
      for (let sent = from; sent < until; sent += 20_000) {
        clock.observe(ORIGIN_US + sent, sent + delayOf(sent), "audio");
      }
    };
    sound(0, 3e6, () => 20_000);
    // Nothing comes any more: 90 ms were left, and the speed falls from one to a third.
    const at = Array.from({ length: 17 }, (_, i) => clock.position(3.01e6 + i * 10_000));
    const speeds = at.slice(1).map((position, i) => (position - (at[i] ?? 0)) / 10_000);
    expect(speeds[0]).toBeCloseTo(1, 1);
    expect(speeds).toEqual([...speeds].sort((a, b) => b - a));
    expect(speeds[15]).toBeCloseTo(1 / 3, 2);
    expect(clock.position(3.18e6)).toBeLessThan(ORIGIN_US + 3e6);
    sound(3e6, 6e6, () => 20_000);
    expect(behind(clock, 6e6)).toBeCloseTo(120_000, -4);
  });

  it("allows for frames that arrive ahead of those shown before them", () => {
    const clock = new PlayoutClock(TARGET_US);
    // I, then P and the two B-frames before it, as encoders send them.
    const order = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8];
    for (let round = 0; round < 6; round++) {
      order.forEach((shown, i) => {
        clock.observe(ORIGIN_US + (round * 10 + shown) * FRAME_US, (round * 10 + i) * FRAME_US + 100_000);
      });
    }
    expect(behind(clock, 60 * FRAME_US + 100_000)).toBeGreaterThanOrEqual(600_000 + FRAME_US);
  });

  it("never runs backwards by itself", () => {
    const clock = new PlayoutClock(TARGET_US);
    let last = -Infinity;
    for (let sent = 0; sent < 20e6; sent += FRAME_US) {
      clock.observe(ORIGIN_US + sent, sent + 20_000 + Math.abs(Math.sin(sent / 7e5)) * 200_000);
      const position = clock.position(sent + 230_000);
      if (sent > 2e6) expect(position).toBeGreaterThanOrEqual(last);
      last = position;
    }
  });
});
