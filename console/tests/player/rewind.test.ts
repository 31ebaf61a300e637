import { expect, it, vi } from "vitest";
import { languageName, preferredTrack } from "../../src/player/caption-choice";
import { placeOf } from "../../src/player/hls/airtime";
import { readPast, Rewind, windowStart } from "../../src/player/rewind";

it("finds the place of a moment in a playlist, over holes in the recording", () => {
  const at = (start: number, air_s: number) => ({ start, duration: 2, programDateTime: air_s * 1000 });
  const segments = [at(0, 1000), at(2, 1002), at(4, 1030), { start: 6, duration: 2, programDateTime: null }];
  expect(placeOf(segments, 1003)).toBe(3);
  expect(placeOf(segments, 1010)).toBe(4); // nothing was recorded: the next thing that was
  expect(placeOf(segments, 990)).toBe(0);
  expect(placeOf(segments, 2000)).toBe(4);
  expect(placeOf([], 1000)).toBeUndefined();
});

it("begins the window where the recording does, and never further back than viewers may go", () => {
  expect(windowStart({ hls_url: "", start_s: 1000, window_s: 600 }, 1100)).toBe(1000);
  expect(windowStart({ hls_url: "", start_s: 1000, window_s: 600 }, 2000)).toBe(1400);
});

it("reads the cloud's answer, and nothing that is not one", () => {
  const asked = "https://cloud.test/v1/public/a/b/dvr";
  const past = { hls_url: "/vod/x/index.m3u8", start: "2026-01-01T00:00:00Z", window_s: 3600 };
  expect(readPast(past, asked)).toEqual({ hls_url: "https://cloud.test/vod/x/index.m3u8", start_s: 1767225600, window_s: 3600 });
  for (const wrong of [null, "text", {}, { ...past, start: "then" }, { ...past, hls_url: 1 }]) {
    expect(readPast(wrong, asked)).toBeUndefined();
  }
});

it("asks again while nothing is recorded, and no more once it is closed", async () => {
  vi.useFakeTimers();
  const asked = vi.fn(() => Promise.resolve(new Response("", { status: 409 })));
  vi.stubGlobal("fetch", asked);
  const nothing = (): void => undefined;
  const rewind = new Rewind({ options: () => { throw new Error("nothing is shown"); }, entered: nothing, left: nothing, failed: nothing });
  rewind.offer("https://cloud.test/dvr");
  await vi.advanceTimersByTimeAsync(40_000);
  const before = asked.mock.calls.length;
  expect(before).toBeGreaterThan(1);
  let answer: (response: Response) => void = nothing;
  asked.mockImplementationOnce(() => new Promise((resolve) => (answer = resolve)));
  await vi.advanceTimersByTimeAsync(15_000);
  rewind.close();
  answer(new Response("", { status: 409 }));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked.mock.calls.length).toBe(before + 1);
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("chooses captions by language, then by what is nearest to it", () => {
  const track = (id: string, language: string) => ({ id, label: id, language });
  const tracks = [track("0", "en"), track("1", "zh-hans"), track("2", "zh-hant"), track("3", "")];
  expect(preferredTrack(tracks, "ZH-Hant")?.id).toBe("2");
  expect(preferredTrack(tracks, "zh-CN")?.id).toBe("1");
  expect(preferredTrack(tracks, "fr")).toBeUndefined();
  expect(languageName("en")).toBe("English");
  expect(languageName("no language")).toBe("no language");
});
