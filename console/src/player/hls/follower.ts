/** Keeps a media element that plays parts at its place behind the live edge. */

import type Hls from "hls.js";
import type { LatencyMode } from "../viewing";
import { CUSHION_MS, partSyncOf } from "./latency";
import { bufferedEnd_s } from "./meters";
import { Pace } from "./pace";

export class LiveFollower {
  private readonly pace: Pace;
  private hls: Hls | undefined;
  /** What the viewer chose, who then goes at that rate and no other. */
  private chosen_rate = 1;

  constructor(
    private readonly video: HTMLVideoElement,
    mode: LatencyMode,
  ) {
    this.pace = new Pace(CUSHION_MS[mode]);
  }

  /** Whether all was done here that can be done about stalls. */
  get exhausted(): boolean {
    return this.pace.widest;
  }

  attach(library: typeof Hls, hls: Hls): void {
    this.hls = hls;
    hls.on(library.Events.BUFFER_APPENDED, () => {
      const end_s = bufferedEnd_s(this.video);
      if (end_s !== undefined) this.pace.arrived(end_s, performance.now());
    });
  }

  setLatency(mode: LatencyMode): void {
    this.pace.floor_ms = CUSHION_MS[mode];
    this.sync();
  }

  setRate(rate: number): void {
    this.chosen_rate = rate;
  }

  /** The playhead was moved or stood still on purpose. */
  restart(): void {
    this.pace.restart(performance.now());
  }

  stalled(): void {
    this.pace.stalled();
    this.sync();
  }

  /** A few times a second while the picture moves. */
  tick(): void {
    const { video, hls } = this;
    if (!hls || video.paused || video.seeking || this.chosen_rate !== 1) return;
    const rate = this.pace.rate(video.currentTime, performance.now());
    if (video.playbackRate !== rate) video.playbackRate = rate;
    this.sync();
  }

  private sync(): void {
    if (this.hls) Object.assign(this.hls.config, partSyncOf(this.pace.cushion_ms));
  }
}
