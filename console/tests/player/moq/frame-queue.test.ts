import { describe, expect, it } from "vitest";
import { FrameQueue } from "../../../src/player/moq/frame-queue";

const DATA = new Uint8Array([1]);
const FRAME_US = 40_000;

function push(queue: FrameQueue, group: number, pts_us: number, key = false): string {
  return queue.push({ group, pts_us, key, data: DATA });
}

function pushGroup(queue: FrameQueue, group: number, from: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => push(queue, group, from + i * FRAME_US, i === 0));
}

function pullAll(queue: FrameQueue, due = Infinity): number[] {
  const times: number[] = [];
  for (let frame = queue.pull(due); frame; frame = queue.pull(due)) times.push(frame.pts_us);
  return times;
}

describe("duplicates", () => {
  it("skips what another edge already brought, mid-group, and goes on with the rest", () => {
    const queue = new FrameQueue();
    pushGroup(queue, 5, 0, 3);
    expect(pullAll(queue)).toEqual([0, 40_000, 80_000]);
    expect(pushGroup(queue, 5, 0, 5)).toEqual(["duplicate", "duplicate", "duplicate", "new", "new"]);
    expect(pullAll(queue)).toEqual([120_000, 160_000]);
  });

  it("keeps decode order when timestamps go back and forth, as B-frames do", () => {
    const queue = new FrameQueue();
    const order = [0, 120_000, 40_000, 80_000];
    for (const pts of order) push(queue, 1, pts, pts === 0);
    for (const pts of order) expect(push(queue, 1, pts, pts === 0)).toBe("duplicate");
    expect(pullAll(queue)).toEqual(order);
  });

  it("merges two edges that deliver the same group alternately", () => {
    const queue = new FrameQueue();
    const verdicts = [0, 0, 40_000, 40_000, 80_000].map((pts) => push(queue, 1, pts, pts === 0));
    expect(verdicts).toEqual(["new", "duplicate", "new", "duplicate", "new"]);
    expect(pullAll(queue)).toEqual([0, 40_000, 80_000]);
  });

  it("drops frames of groups that were left, but starts over when numbering does", () => {
    const queue = new FrameQueue();
    pushGroup(queue, 8, 0, 2);
    pushGroup(queue, 9, 2_000_000, 2);
    queue.end(8);
    pullAll(queue);
    expect(push(queue, 8, 80_000)).toBe("late");
    expect(push(queue, 1, 3_000_000, true)).toBe("restarted");
    expect(pullAll(queue)).toEqual([3_000_000]);
  });
});

describe("order", () => {
  it("hands out the first frame of each group as a key frame", () => {
    const queue = new FrameQueue();
    pushGroup(queue, 1, 0, 2);
    expect([queue.pull(Infinity)?.key, queue.pull(Infinity)?.key]).toEqual([true, false]);
  });

  it("waits for the tail of a group while the next group is not due", () => {
    const queue = new FrameQueue();
    pushGroup(queue, 1, 0, 2);
    pushGroup(queue, 2, 200_000, 1);
    expect(pullAll(queue, 100_000)).toEqual([0, 40_000]);
    push(queue, 1, 80_000);
    expect(pullAll(queue, 100_000)).toEqual([80_000]);
    expect(pullAll(queue, 200_000)).toEqual([200_000]);
  });

  it("goes straight on when a group ended", () => {
    const queue = new FrameQueue();
    pushGroup(queue, 1, 0, 1);
    pushGroup(queue, 2, 40_000, 1);
    queue.end(1);
    expect(pullAll(queue, 50_000)).toEqual([0, 40_000]);
  });

  it("sorts groups that arrive out of order", () => {
    const queue = new FrameQueue();
    pushGroup(queue, 3, 4_000_000, 1);
    pushGroup(queue, 1, 0, 1);
    pushGroup(queue, 2, 2_000_000, 1);
    expect(pullAll(queue)).toEqual([0, 2_000_000, 4_000_000]);
  });

  it("does not take the rest of a group whose beginning was lost", () => {
    const queue = new FrameQueue();
    expect(push(queue, 4, 80_000)).toBe("late");
    expect(pushGroup(queue, 4, 0, 4)).toEqual(["new", "new", "new", "new"]);
    expect(pullAll(queue)).toEqual([0, 40_000, 80_000, 120_000]);
  });

  it("goes on within an open group that a restarted encoder appends to", () => {
    const queue = new FrameQueue();
    pushGroup(queue, 1, 0, 2);
    pullAll(queue);
    pushGroup(queue, 1, 700_000, 2);
    expect(pullAll(queue)).toEqual([700_000, 740_000]);
  });
});

describe("jumps and hand-overs", () => {
  it("skips to the newest group that has begun", () => {
    const queue = new FrameQueue();
    for (const group of [1, 2, 3, 4]) pushGroup(queue, group, group * 2_000_000, 3);
    expect(queue.skipTo(7_000_000)).toBe(6);
    expect(queue.pull(Infinity)).toMatchObject({ group: 3, key: true });
  });

  it("never skips within a group", () => {
    const queue = new FrameQueue();
    pushGroup(queue, 1, 0, 50);
    queue.pull(Infinity);
    expect(queue.skipTo(10_000_000)).toBe(0);
  });

  it("cuts off where another rendition takes over", () => {
    const queue = new FrameQueue();
    pushGroup(queue, 1, 0, 5);
    queue.pull(Infinity);
    queue.cutFrom(100_000);
    expect(pullAll(queue)).toEqual([40_000, 80_000]);
  });

  it("finds the key frame after a moment", () => {
    const queue = new FrameQueue();
    pushGroup(queue, 1, 0, 3);
    pushGroup(queue, 2, 2_000_000, 1);
    expect(queue.keyAfter(90_000)).toMatchObject({ group: 2, pts_us: 2_000_000 });
    expect(queue.keyAfter(2_000_000)).toBeUndefined();
  });

  it("finds a late rendition's newest group within reach, when the one on show is always ahead", () => {
    const queue = new FrameQueue();
    pushGroup(queue, 1, 0, 3);
    pushGroup(queue, 2, 2_000_000, 2);
    expect(queue.keyBefore(2_100_000, 400_000)).toMatchObject({ group: 2, pts_us: 2_000_000 });
    expect(queue.keyBefore(2_500_000, 400_000)).toBeUndefined();
    expect(queue.keyBefore(1_900_000, 400_000)).toBeUndefined();
    queue.pull(0);
    expect(queue.keyBefore(100_000, 400_000)).toBeUndefined();
  });

  it("holds a bounded number of groups", () => {
    const queue = new FrameQueue();
    for (let group = 0; group < 100; group++) pushGroup(queue, group, group * 2_000_000, 1);
    expect(queue.length).toBe(32);
    expect(queue.headPts).toBe(68 * 2_000_000);
  });
});
