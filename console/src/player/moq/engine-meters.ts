/** What the engine counts for the statistics. */

import { GapMeter, RateMeter, STALL_MS } from "../stats";

export class EngineMeters {
  private readonly paints = new GapMeter(STALL_MS);
  readonly arrivals = new GapMeter();
  private readonly fps = new RateMeter();
  readonly bits = new RateMeter();
  painted = 0;
  duplicates = 0;
  private latency_ms = 0;

  /** A frame came onto the screen. Returns whether it was the first. */
  paint(pts_us: number, now_ms: number): boolean {
    this.latency_ms = Date.now() - pts_us / 1000;
    this.fps.add(1, now_ms);
    this.paints.mark(now_ms);
    return this.painted++ === 0;
  }

  interrupt(): void {
    this.paints.interrupt();
    this.arrivals.interrupt();
  }

  resetGaps(): void {
    this.paints.resetLongest();
    this.arrivals.resetLongest();
  }

  read(now_ms: number) {
    const painted = this.paints.read(now_ms);
    return {
      latency_ms: this.latency_ms,
      fps: this.fps.perSecond(now_ms),
      bitrate_bps: this.bits.perSecond(now_ms),
      frames_painted: this.painted,
      frames_duplicate: this.duplicates,
      stalls: painted.stalls,
      stalled_ms: painted.stalled_ms,
      gap_ms_max: this.arrivals.read(now_ms).longest_ms,
      paint_gap_ms_max: painted.longest_ms,
    };
  }
}
