import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { BEACON_MS, beaconOf, BeaconSender, FIRST_BEACON_MS, type Beacon } from "../../src/player/beacons";
import type { PlaybackSnapshot } from "../../src/player/stats";

function snapshot(changes: Partial<PlaybackSnapshot> = {}): PlaybackSnapshot {
  return {
    session_id: "one",
    channel_id: "ch_1",
    state: "playing",
    protocol: "moq",
    edge_node_id: "nd_1",
    rendition: "480p",
    bitrate_bps: 1,
    startup_ms: 210.4,
    latency_ms: 310.6,
    watched_ms: 1000,
    rebuffer_count: 0,
    rebuffer_ms: 0,
    switches: 0,
    rendition_switches: 0,
    errors: 0,
    last_error: "",
    ...changes,
  };
}

describe("beaconOf", () => {
  it("tells the first time everything, and then what has come about", () => {
    const first = snapshot({ rebuffer_count: 1, rebuffer_ms: 200 });
    const then = snapshot({ watched_ms: 31_000, rebuffer_count: 3, rebuffer_ms: 900, switches: 1, protocol: "hls" });
    expect(beaconOf("t", first, undefined)).toEqual({
      token: "t", first: true, protocol: "moq", rendition: "480p", edge_node_id: "nd_1", startup_ms: 210,
      latency_ms: 311, watched_ms: 1000, rebuffers: 1, rebuffer_ms: 200, switches: 0, errors: 0,
    });
    expect(beaconOf("t", then, first)).toMatchObject({
      first: false, startup_ms: null, watched_ms: 30_000, rebuffers: 2, rebuffer_ms: 700, switches: 1, protocol: "hls",
    });
  });

  it("tells the start-up once, also when it comes late", () => {
    const waiting = snapshot({ startup_ms: undefined, errors: 1 });
    expect(beaconOf("t", waiting, undefined).startup_ms).toBeNull();
    expect(beaconOf("t", snapshot(), waiting).startup_ms).toBe(210);
    expect(beaconOf("t", snapshot(), snapshot()).startup_ms).toBeNull();
  });

  it("never tells negative or unreal numbers", () => {
    const odd = snapshot({ latency_ms: -5, watched_ms: 10 });
    expect(beaconOf("t", odd, snapshot())).toMatchObject({ latency_ms: null, watched_ms: 0 });
    expect(beaconOf("t", snapshot({ latency_ms: NaN }), undefined).latency_ms).toBeNull();
  });
});

describe("BeaconSender", () => {
  let now: PlaybackSnapshot | undefined;
  let token: string | undefined;
  let sent: Beacon[];
  let hide: () => void;

  beforeEach(() => {
    vi.useFakeTimers();
    now = snapshot();
    token = "t";
    sent = [];
    const listeners = new Set<() => void>();
    hide = () => listeners.forEach((listener) => listener());
    vi.stubGlobal("document", {
      visibilityState: "hidden",
      addEventListener: (_: string, listener: () => void) => listeners.add(listener),
      removeEventListener: (_: string, listener: () => void) => listeners.delete(listener),
    });
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  const begin = (): BeaconSender =>
    new BeaconSender("/v1/public/beacons", { snapshot: () => now, token: () => token }, (_url, body) => sent.push(JSON.parse(body) as Beacon));

  it("tells soon after the start, each half minute, and at the end", () => {
    const sender = begin();
    vi.advanceTimersByTime(FIRST_BEACON_MS);
    now = snapshot({ watched_ms: 31_000 });
    vi.advanceTimersByTime(BEACON_MS);
    now = snapshot({ watched_ms: 40_000 });
    sender.end();
    sender.end();
    vi.advanceTimersByTime(10 * BEACON_MS);
    expect(sent.map((beacon) => [beacon.first, beacon.watched_ms])).toEqual([[true, 1000], [false, 30_000], [false, 9000]]);
  });

  it("tells when the page is hidden, which may be its end", () => {
    const sender = begin();
    hide();
    sender.end();
    hide();
    expect(sent).toHaveLength(2);
  });

  it("tells nothing without a ticket, without a viewing, or before anything has happened", () => {
    const sender = begin();
    token = undefined;
    vi.advanceTimersByTime(FIRST_BEACON_MS);
    token = "t";
    now = undefined;
    vi.advanceTimersByTime(BEACON_MS);
    now = snapshot({ startup_ms: undefined });
    vi.advanceTimersByTime(BEACON_MS);
    expect(sent).toHaveLength(0);
    now = snapshot({ startup_ms: undefined, errors: 1 });
    sender.end();
    expect(sent).toMatchObject([{ first: true, errors: 1, startup_ms: null }]);
  });

  it("begins anew with another viewing", () => {
    const sender = begin();
    vi.advanceTimersByTime(FIRST_BEACON_MS);
    now = snapshot({ session_id: "two", watched_ms: 500 });
    sender.end();
    expect(sent.map((beacon) => [beacon.first, beacon.watched_ms])).toEqual([[true, 1000], [true, 500]]);
  });
});
