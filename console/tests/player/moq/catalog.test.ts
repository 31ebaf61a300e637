import { describe, expect, it } from "vitest";
import { bytesFromHex, CatalogGroup, mergePatch, pickAudio, readCatalog, sameDecoder } from "../../../src/player/moq/catalog";

const CATALOG = {
  video: {
    renditions: {
      "360p": { codec: "avc3.42c01e", codedWidth: 640, codedHeight: 360, bitrate: 500000, framerate: 30, container: { kind: "legacy" } },
      source: { codec: "avc3.42c01f", codedWidth: 1280, codedHeight: 720, bitrate: 1500000, framerate: 30, container: { kind: "legacy" } },
    },
  },
  audio: {
    renditions: {
      aac: { codec: "mp4a.40.2", sampleRate: 48000, numberOfChannels: 2, description: "1190" },
      opus: { codec: "opus", sampleRate: 48000, numberOfChannels: 2 },
    },
  },
  clock: { wall: 1, timescale: 1000000 },
};
const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

describe("readCatalog", () => {
  it("lists renditions, largest first", () => {
    const catalog = readCatalog(CATALOG);
    expect(catalog.video.map((r) => r.track)).toEqual(["source", "360p"]);
    expect(catalog.video[0]).toMatchObject({ width: 1280, height: 720, bitrate_bps: 1_500_000, fps: 30, container: "legacy" });
  });

  it("prefers Opus and keeps the AAC decoder's description", () => {
    const { audio } = readCatalog(CATALOG);
    expect(pickAudio(audio)?.track).toBe("opus");
    expect(audio.find((r) => r.track === "aac")?.description).toEqual(new Uint8Array([0x11, 0x90]));
  });

  it.each([[null], [undefined], [42], ["x"], [[]], [{}], [{ video: 1 }], [{ video: { renditions: [] } }]])(
    "reads %j as an empty catalog",
    (value) => expect(readCatalog(value)).toEqual({ video: [], audio: [], text: [] }),
  );

  it("leaves a malformed rendition out and keeps the others", () => {
    const renditions = { bad: { codec: 7 }, cmaf: { codec: "avc1", container: { kind: "cmaf" } }, good: { codec: "vp8" } };
    expect(readCatalog({ video: { renditions } }).video.map((r) => r.track)).toEqual(["good"]);
  });

  it("leaves sound without a rate out", () => {
    expect(readCatalog({ audio: { renditions: { a: { codec: "opus" } } } }).audio).toEqual([]);
  });
});

describe("CatalogGroup", () => {
  it("applies merge patches after the snapshot", () => {
    const group = new CatalogGroup();
    group.apply(bytes(CATALOG));
    const after = group.apply(bytes({ video: { renditions: { "360p": null } } }));
    expect(after.video.map((r) => r.track)).toEqual(["source"]);
  });

  it("refuses what is not JSON", () => {
    expect(() => new CatalogGroup().apply(new Uint8Array([0x7b]))).toThrow(SyntaxError);
  });
});

describe("mergePatch", () => {
  // The examples of RFC 7396, appendix A.
  it.each([
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: "b" }, ["c"], ["c"]],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])("%j with %j is %j", (target, patch, result) => expect(mergePatch(target, patch)).toEqual(result));
});

it("reads hex, and nothing that only looks like it", () => {
  expect(bytesFromHex("0aFF")).toEqual(new Uint8Array([10, 255]));
  expect(bytesFromHex("abc")).toBeUndefined();
  expect(bytesFromHex("zz")).toBeUndefined();
});

it("tells whether a decoder can go on", () => {
  const [source, small] = readCatalog(CATALOG).video;
  if (!source || !small) throw new Error("two renditions expected");
  expect(sameDecoder(source, { ...source, track: "other" })).toBe(true);
  expect(sameDecoder(source, small)).toBe(false);
});
