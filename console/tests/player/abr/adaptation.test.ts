import { describe, expect, it } from "vitest";
import { Adaptation, SETTLE_MS, type Sight } from "../../../src/player/abr/adaptation";
import { largestWorth, type Step } from "../../../src/player/abr/ladder";
import { LADDER, mbps, watch } from "./link";

const QUIET = { lateness_ms: 0, busy_bps: undefined, delivered_bps: 0, busy_ms: 0, demand_bps: mbps(2.5), burst_bps: 0 };
const sight = (more: Partial<Sight> = {}): Sight => ({
  ladder: LADDER, shown_px: 720, link: QUIET, audio_bps: 96_000, target_ms: 100, ...more,
});

describe("the size that is worth fetching", () => {
  it.each([
    [2000, Infinity, "source"],
    [720, Infinity, "source"],
    [600, Infinity, "480p"],
    [340, Infinity, "270p"],
    [2000, 480, "480p"],
    [2000, 1, "270p"],
  ])("for %i pixels and at most %d lines is %s", (shown_px, max, track) => {
    expect(LADDER[largestWorth(LADDER, shown_px, max)]?.track).toBe(track);
  });
});

describe("Adaptation", () => {
  it("obeys the viewer, as long as the rendition exists", () => {
    const choice = new Adaptation();
    choice.fix("270p");
    expect(choice.decide(sight(), 0)).toMatchObject({ do: "step", track: "270p" });
    expect(choice.decide(sight(), 50)).toEqual({ do: "stay" });
    expect(choice.decide(sight({ ladder: LADDER.slice(0, 2) }), 100)).toMatchObject({ track: "480p" });
  });

  it("goes on with the next larger one, without a gap, when its rendition leaves the ladder", () => {
    const choice = new Adaptation();
    choice.fix("270p");
    choice.decide(sight(), 0);
    choice.fix(undefined);
    const without = LADDER.filter((step) => step.track !== "270p");
    expect(choice.decide(sight({ ladder: without }), 1000)).toMatchObject({ track: "480p", urgent: false, why: "gone" });
    expect(choice.decide(sight({ ladder: without }), 1050)).toEqual({ do: "stay" });
  });

  it("steps down by one, without a gap, when the decoder cannot follow", () => {
    const choice = new Adaptation();
    choice.decide(sight(), 0);
    choice.suffer();
    expect(choice.decide(sight(), SETTLE_MS)).toMatchObject({ track: "480p", urgent: false, why: "decoder" });
    choice.suffer();
    expect(choice.decide(sight(), SETTLE_MS + 500)).toEqual({ do: "stay" });
  });

  it("never comes back to what the browser cannot decode", () => {
    const choice = new Adaptation();
    choice.decide(sight(), 0);
    const [source, middle, lowest] = LADDER as [Step, Step, Step];
    expect(choice.bar(source, LADDER)).toBe(true);
    expect(choice.decide(sight(), 50)).toMatchObject({ track: "480p" });
    expect(choice.bar(middle, LADDER) && choice.bar(lowest, LADDER)).toBe(false);
  });

  it("takes a track again that is encoded in another way now", () => {
    const choice = new Adaptation();
    const as = (codec: string): Step[] => LADDER.slice(0, 1).map((step) => ({ ...step, codec }));
    choice.decide(sight({ ladder: as("hev1.1.6.L93") }), 0);
    expect(as("hev1.1.6.L93").every((step) => choice.bar(step, as("hev1.1.6.L93")))).toBe(false);
    expect(choice.decide(sight({ ladder: as("hev1.1.6.L93") }), 50)).toEqual({ do: "stay" });
    expect(choice.decide(sight({ ladder: as("avc3.64001f") }), 100)).toMatchObject({ do: "step", track: "source" });
  });

  it("has nothing to offer without renditions", () => {
    expect(new Adaptation().decide(sight({ ladder: [] }), 0)).toEqual({ do: "stay" });
  });
});

describe("on a simulated link", () => {
  const tracks = (changes: { track: string }[]): string[] => changes.map((change) => change.track);

  it("stays where it is while there is room", () => {
    expect(tracks(watch({ rate: () => mbps(4) }, 120_000).changes)).toEqual(["source"]);
  });

  it("gets down to what fits within half a second when the link falls, and up again when it recovers", () => {
    const { changes, soundLate_ms } = watch({ rate: (now) => mbps(now >= 20_300 && now < 40_300 ? 0.7 : 4) }, 90_000);
    const fall = changes[1];
    expect(fall).toMatchObject({ track: "270p", urgent: true });
    expect((fall?.at_ms ?? 0) - 20_300).toBeLessThan(500);
    expect(tracks(changes.filter((change) => change.at_ms < 40_300))).toEqual(["source", "270p"]);
    expect(changes[changes.length - 1]?.track).toBe("source");
    expect(Math.max(...soundLate_ms.slice(22, 40))).toBeLessThan(250);
  });

  it.each([0, 400, 900, 1400, 1950])("sees the fall in every phase of a group (%i ms)", (phase_ms) => {
    const { changes } = watch({ rate: (now) => mbps(now >= 20_000 + phase_ms ? 0.7 : 4) }, 26_000);
    expect(changes[1]).toMatchObject({ track: "270p", urgent: true });
    expect((changes[1]?.at_ms ?? 0) - 20_000 - phase_ms).toBeLessThan(600);
  });

  it("takes the middle when the middle fits", () => {
    const { changes } = watch({ rate: (now) => mbps(now > 20_000 ? 1.9 : 4) }, 60_000);
    expect(changes[changes.length - 1]?.track).not.toBe("source");
    expect(tracks(changes)).toContain("480p");
  });

  it("tries a rendition that does not fit ever more seldom", () => {
    const { changes } = watch({ rate: (now) => mbps(now > 5000 ? 1.9 : 4) }, 600_000);
    const tries = changes.filter((change) => change.why === "room" && change.track === "source");
    expect(tries.length).toBeLessThan(8);
    const early = tries.filter((one) => one.at_ms < 200_000).length;
    expect(tries.filter((one) => one.at_ms > 400_000).length).toBeLessThanOrEqual(early);
  });

  it.each([
    [1, 100, 15, 0.01],
    [2, 100, 15, 0.01],
    [3, 500, 40, 0.03],
    [4, 500, 40, 0.03],
  ])("is not moved by jitter and lost packets (seed %i, target %i ms)", (seed, target_ms, jitter_ms, loss) => {
    const { changes } = watch({ rate: () => mbps(4), jitter_ms, loss, seed, target_ms }, 120_000);
    expect(tracks(changes)).toEqual(["source"]);
  });

  it("is not moved by a burst of loss", () => {
    const { changes } = watch({ rate: (now) => (now % 30_000 < 60 ? 0 : mbps(4)), target_ms: 500 }, 120_000);
    expect(tracks(changes)).toEqual(["source"]);
  });
});
