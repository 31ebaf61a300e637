import { describe, expect, it } from "vitest";
import type { Alarm, Channel, ChannelState } from "../../../src/api/types";
import { byChannel, neighbour, pagesOf, playing } from "../../../src/parts/wall/arrange";

const channel = (id: string, state: ChannelState = "live"): Channel => ({ id, state }) as Channel;
const alarm = (id: string, kind: string, subject: string): Alarm => ({ id, subject: { kind, id: subject, name: "" } }) as Alarm;
const stateOf = (one: Channel): ChannelState => one.state;

describe("playing", () => {
  it("plays what runs, up to the limit, and what is in trouble first", () => {
    const channels = [channel("a"), channel("b", "offline"), channel("c"), channel("d", "starting"), channel("e")];
    expect([...playing(channels, stateOf, new Set(), 2)]).toEqual(["a", "c"]);
    expect([...playing(channels, stateOf, new Set(["e", "b"]), 2)]).toEqual(["e", "a"]);
    expect(playing(channels, stateOf, new Set()).size).toBe(4);
  });
});

describe("pagesOf", () => {
  it("keeps every channel at its place, and counts the alarms of each page", () => {
    const channels = ["a", "b", "c", "d", "e"].map((id) => channel(id));
    const own = byChannel([alarm("1", "channel", "c"), alarm("2", "channel", "d"), alarm("3", "channel", "gone")]);
    const pages = pagesOf(channels, own, 2);
    expect(pages.map((one) => [one.from, one.to, one.alarms])).toEqual([[1, 2, 0], [3, 4, 2], [5, 5, 0]]);
    expect(pages.flatMap((one) => one.channels)).toEqual(channels);
    expect(pagesOf([], own)).toEqual([{ from: 0, to: 0, alarms: 0, channels: [] }]);
  });
});

describe("byChannel", () => {
  it("keeps the order, and leaves out what is about something else", () => {
    const found = byChannel([alarm("1", "channel", "a"), alarm("2", "node", "a"), alarm("3", "channel", "a")]);
    expect(found.get("a")?.map((one) => one.id)).toEqual(["1", "3"]);
    expect(found.size).toBe(1);
  });
});

describe("neighbour", () => {
  it("moves within the grid and stops at its edges", () => {
    expect(neighbour(0, "ArrowRight", 5, 3)).toBe(1);
    expect(neighbour(1, "ArrowDown", 5, 3)).toBe(4);
    expect(neighbour(2, "ArrowDown", 5, 3)).toBeUndefined();
    expect(neighbour(0, "ArrowLeft", 5, 3)).toBeUndefined();
    expect(neighbour(4, "ArrowUp", 5, 3)).toBe(1);
    expect(neighbour(0, "x", 5, 3)).toBeUndefined();
  });
});
