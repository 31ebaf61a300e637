/**
 * Which picture size to ask for, when the viewer leaves the choice to the player.
 *
 * Rules: never larger than the player's box needs; one step down at once when playback suffers (late frames, a decoder
 * that cannot follow, a stall); one step up only after a quiet time, which doubles each time a step up was regretted.
 */

import type { VideoRendition } from "../moq/catalog";

/** Quiet time before a step up is tried. */
const QUIET_MS = 12_000;
const QUIET_MAX_MS = 120_000;
/** Trouble within this time after a step up counts as a regret. */
const REGRET_MS = 10_000;
/** One step at a time: the last one must show its effect first. */
const SETTLE_MS = 3000;

export class RenditionChoice {
  private manual: string | undefined;
  private ceiling = 0;
  private quietMs = QUIET_MS;
  private lastTrouble = -Infinity;
  private lastStep = -Infinity;
  private lastStepUp = -Infinity;

  /** Fix the choice to a track, or undefined for automatic. */
  fix(track: string | undefined): void {
    this.manual = track;
  }

  get fixed(): string | undefined {
    return this.manual;
  }

  /** Playback suffers. Returns true when a smaller picture should be asked for. */
  trouble(now_ms: number): boolean {
    if (now_ms - this.lastStepUp < REGRET_MS) this.quietMs = Math.min(this.quietMs * 2, QUIET_MAX_MS);
    this.lastTrouble = now_ms;
    if (now_ms - this.lastStep < SETTLE_MS) return false;
    this.ceiling++;
    this.lastStep = now_ms;
    return true;
  }

  /**
   * The rendition to play.
   * @param renditions largest first
   * @param box_px height of the player on the screen in device pixels
   */
  pick(renditions: readonly VideoRendition[], box_px: number, now_ms: number): VideoRendition | undefined {
    if (renditions.length === 0) return undefined;
    const fixed = renditions.find((r) => r.track === this.manual);
    if (fixed) return fixed;
    const enough = this.smallestThatFills(renditions, box_px);
    const room = renditions.length - 1 - enough;
    this.ceiling = Math.min(this.ceiling, room);
    const quiet = now_ms - Math.max(this.lastTrouble, this.lastStep) >= this.quietMs;
    if (this.ceiling > 0 && quiet) {
      this.ceiling--;
      this.lastStep = this.lastStepUp = now_ms;
    }
    return renditions[enough + this.ceiling];
  }

  private smallestThatFills(renditions: readonly VideoRendition[], box_px: number): number {
    let index = 0;
    // A picture may be enlarged by a fifth before it looks soft.
    while (index + 1 < renditions.length && (renditions[index + 1]?.height ?? 0) * 1.2 >= box_px) index++;
    return index;
  }
}
