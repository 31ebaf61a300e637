import { describe, expect, it } from "vitest";
import { MEMORY_MS, TransportMemory, transportsFor, wishOf, type Capabilities } from "../../src/player/transport";

const ALL: Capabilities = { secure: true, webtransport: true, webcodecs: true, mse: true, native_hls: false };
const LL = { node_id: "a", url: "https://a/x/index.m3u8", ll: true };
const OFFER = { edges: 2, hls: [LL] };

describe("transportsFor", () => {
  it.each([
    ["everything", ALL, ["moq", "ll-hls", "hls"]],
    ["no WebTransport", { ...ALL, webtransport: false }, ["ll-hls", "hls"]],
    ["no WebCodecs", { ...ALL, webcodecs: false }, ["ll-hls", "hls"]],
    ["an insecure page", { ...ALL, secure: false }, ["ll-hls", "hls"]],
    ["Safari without media sources", { ...ALL, webtransport: false, mse: false, native_hls: true }, ["ll-hls", "hls"]],
    ["nothing at all", { ...ALL, secure: false, mse: false }, []],
  ])("with %s", (_name, can, ways) => {
    expect(transportsFor("auto", can, OFFER)).toEqual(ways);
  });

  it("tries what worked first, and what the page asks for only", () => {
    expect(transportsFor("auto", ALL, OFFER, "hls")).toEqual(["hls", "moq", "ll-hls"]);
    expect(transportsFor("hls", ALL, OFFER)).toEqual(["ll-hls", "hls"]);
    expect(transportsFor("moq", ALL, OFFER, "hls")).toEqual(["moq"]);
    expect(wishOf("carrier pigeon")).toBe("auto");
  });

  it("knows no parts where the ticket names none, and waits for edges over MoQ when there is nothing else", () => {
    expect(transportsFor("auto", ALL, { edges: 1, hls: [{ ...LL, ll: false }] })).toEqual(["moq", "hls"]);
    expect(transportsFor("auto", ALL, { edges: 0, hls: [] })).toEqual(["moq"]);
    expect(transportsFor("auto", ALL, { edges: 0, hls: [LL] })).toEqual(["ll-hls", "hls"]);
  });
});

it("remembers a fallback for a while, and forgets it when MoQ works", () => {
  const kept = new Map<string, string>();
  const store = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  };
  let now = 1000;
  const memory = new TransportMemory(store, () => now);
  memory.worked("ll-hls");
  now += MEMORY_MS - 1;
  expect(memory.recall()).toBe("ll-hls");
  now += 1;
  expect(memory.recall()).toBeUndefined();
  memory.worked("hls");
  memory.worked("moq");
  expect(memory.recall()).toBeUndefined();
});
