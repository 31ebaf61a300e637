import { afterEach, expect, it, vi } from "vitest";
import { LiveFollower } from "../../../src/player/hls/follower";
import { HlsViewing } from "../../../src/player/hls/viewing";
import type { ViewingOptions } from "../../../src/player/viewing";

/** As much of a media element as a viewing touches before it has a library: it has painted one picture. */
class Element extends EventTarget {
  readonly textTracks = Object.assign(new EventTarget(), { length: 0 });
  readonly seekable = { length: 0 };
  private hasPainted = false;
  setAttribute(): void {}
  requestVideoFrameCallback(painted: () => void): void {
    if (!this.hasPainted) setTimeout(painted, 0);
    this.hasPainted = true;
  }
}

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

it("keeps its pace while its page is hidden, where the sound goes on", async () => {
  vi.useFakeTimers();
  vi.stubGlobal("document", { hidden: true, createElement: () => new Element() });
  const paced = vi.spyOn(LiveFollower.prototype, "tick");
  const nothing = (): void => undefined;
  const events = new Proxy({}, { get: () => nothing }) as ViewingOptions["events"];
  const options: ViewingOptions = { latency: "low", hasAlternative: true, started_ms: 0, max_height: Infinity, events };
  new HlsViewing("ll-hls", [], options).start();
  await vi.advanceTimersByTimeAsync(1000);
  expect(paced).toHaveBeenCalled();
});
