import { describe, expect, it } from "vitest";
import { readCatalog } from "../../../src/player/moq/catalog";
import { CueList, readCues } from "../../../src/player/moq/cues";
import { intoSlotUs, nextSlotGroup } from "../../../src/player/moq/groups";

const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const HELLO = { start_us: 1e6, end_us: 3e6, text: "Hello,\nriver" };

describe("captions", () => {
  it("are read one by one or as a list, without what is malformed", () => {
    expect(readCues(bytes(HELLO))).toEqual([HELLO]);
    expect(readCues(bytes([HELLO, { start_us: 5, end_us: 4, text: "" }, null, "x"]))).toEqual([HELLO]);
    expect(readCues(new Uint8Array([0xff]))).toEqual([]);
  });

  it("are shown in their time, and corrected by a later one with the same start", () => {
    const list = new CueList();
    list.add([HELLO]);
    expect(list.linesAt(0.9e6)).toEqual([]);
    expect(list.linesAt(1e6)).toEqual(["Hello,", "river"]);
    list.add([{ ...HELLO, text: "Hello!" }]);
    expect(list.linesAt(2e6)).toEqual(["Hello!"]);
    expect(list.linesAt(3e6)).toEqual([]);
  });

  it("stand in the catalog with a name and a language", () => {
    const catalog = readCatalog({ captions: { renditions: { "captions-zh": { label: "中文", language: "zh" }, bad: 7 } } });
    expect(catalog.text).toEqual([{ track: "captions-zh", label: "中文", language: "zh" }]);
  });
});

describe("slots", () => {
  it.each([250_000, 2_000_000])("begin at the next whole two seconds, in ticks of %i µs", (tick_us) => {
    const pts_us = 1_795_448_052_300_000;
    const first_us = 1_795_448_052_000_000;
    const group = Math.floor(first_us / tick_us);
    expect(nextSlotGroup(group, first_us, pts_us)).toBe(1_795_448_054_000_000 / tick_us);
    expect(intoSlotUs(pts_us)).toBe(300_000);
  });

  it("cannot be told from numbers that follow no tick", () => {
    expect(nextSlotGroup(17, 1_795_448_052_000_000, 1_795_448_052_300_000)).toBeUndefined();
  });
});
