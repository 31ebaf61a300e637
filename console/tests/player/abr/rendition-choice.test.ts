import { describe, expect, it } from "vitest";
import type { VideoRendition } from "../../../src/player/moq/catalog";
import { RenditionChoice } from "../../../src/player/abr/rendition-choice";

const rendition = (height: number): VideoRendition => ({
  track: `${height}p`, codec: "avc3", container: "legacy", width: (height * 16) / 9, height, bitrate_bps: height * 2000, fps: 30,
});
const LADDER = [1080, 720, 360, 180].map(rendition);

describe("RenditionChoice", () => {
  it.each([
    [2000, "1080p"],
    [720, "720p"],
    [400, "360p"],
    [100, "180p"],
  ])("fills a box of %i pixels with %s", (box, track) => {
    expect(new RenditionChoice().pick(LADDER, box, 0)?.track).toBe(track);
  });

  it("steps down on trouble, one step at a time, and up again after a quiet time", () => {
    const choice = new RenditionChoice();
    expect(choice.trouble(1000)).toBe(true);
    expect(choice.trouble(1500)).toBe(false);
    expect(choice.pick(LADDER, 2000, 1600)?.track).toBe("720p");
    expect(choice.pick(LADDER, 2000, 10_000)?.track).toBe("720p");
    expect(choice.pick(LADDER, 2000, 14_000)?.track).toBe("1080p");
  });

  it("waits twice as long after a step up that it regretted", () => {
    const choice = new RenditionChoice();
    choice.trouble(0);
    choice.pick(LADDER, 2000, 13_000);
    choice.trouble(16_500);
    expect(choice.pick(LADDER, 2000, 30_000)?.track).toBe("720p");
    expect(choice.pick(LADDER, 2000, 41_000)?.track).toBe("1080p");
  });

  it("obeys the viewer, as long as the rendition exists", () => {
    const choice = new RenditionChoice();
    choice.fix("180p");
    choice.trouble(0);
    expect(choice.pick(LADDER, 2000, 0)?.track).toBe("180p");
    expect(choice.pick(LADDER.slice(0, 2), 2000, 0)?.track).toBe("720p");
  });

  it("has nothing to offer without renditions", () => {
    expect(new RenditionChoice().pick([], 500, 0)).toBeUndefined();
  });
});
