import { describe, expect, it } from "vitest";
import { readLegacyFrame } from "../../src/player/moq/container";
import { CaptureClock, groupOf, legacyFrame, slotOf } from "../../src/studio/numbering";

const NOW_US = 1_790_000_000_000_000;

describe("media time of a capture", () => {
  it("maps both tracks alike, however late their first frames come", () => {
    let now_us = NOW_US;
    const clock = new CaptureClock(() => now_us);
    const first = clock.mediaTime("video", 5_000_000);
    now_us += 180_000; // sound comes late, and was made before
    expect(first).toBe(NOW_US);
    expect(clock.mediaTime("audio", 5_010_000)).toBe(NOW_US + 10_000);
  });

  it("takes another origin for another clock", () => {
    const clock = new CaptureClock(() => NOW_US);
    clock.mediaTime("video", 5_000_000);
    expect(clock.mediaTime("audio", 0)).toBe(NOW_US);
  });
});

describe("frames", () => {
  it("are read by the player as they were written", () => {
    const frame = legacyFrame(NOW_US, 3, (target) => target.set([1, 2, 3]));
    const read = readLegacyFrame(frame);
    expect(read?.pts_us).toBe(NOW_US);
    expect([...(read?.data ?? [])]).toEqual([1, 2, 3]);
  });

  it("are numbered as the whole cloud numbers them", () => {
    expect(groupOf(NOW_US)).toBe(7_160_000_000);
    expect(slotOf(NOW_US) * 8).toBe(groupOf(NOW_US));
  });
});
