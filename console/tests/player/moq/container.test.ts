import { describe, expect, it } from "vitest";
import { readLegacyFrame, readVarint } from "../../../src/player/moq/container";

const hex = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

describe("readVarint", () => {
  // RFC 9000, appendix A.1; the longest one stays within what a timestamp needs.
  it.each([
    ["25", 37, 1],
    ["7bbd", 15293, 2],
    ["9d7f3e7d", 494878333, 4],
    ["c0065a8b4a3c2d10", 0x065a8b4a3c2d10, 8],
  ])("reads %s", (text, value, size) => expect(readVarint(hex(text))).toEqual({ value, size_bytes: size }));

  it.each([[""], ["40"], ["c00000"]])("refuses %j, which ends too early", (text) =>
    expect(() => readVarint(hex(text))).toThrow(RangeError),
  );
});

it("splits a frame into its time and its bytes", () => {
  expect(readLegacyFrame(hex("7bbdaabb"))).toEqual({ pts_us: 15293, data: new Uint8Array([0xaa, 0xbb]) });
});

it("takes an empty payload for the marker it is", () => {
  expect(readLegacyFrame(hex("7bbd"))).toBeUndefined();
});
