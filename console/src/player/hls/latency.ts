/**
 * What the latency modes mean over HLS: how far behind the live edge to play. Parts allow about a second; whole
 * segments cannot do with less than two of them, and three is what RFC 8216 section 6.3.3 asks for.
 */

import type { LatencyMode } from "../viewing";

export interface LiveSync {
  /** Seconds behind the live edge; with parts. */
  liveSyncDuration?: number;
  /** Target durations behind the live edge; with whole segments. */
  liveSyncDurationCount?: number;
  liveMaxLatencyDuration?: number;
  liveMaxLatencyDurationCount?: number;
  /** How fast to catch up: speech stays natural up to about a tenth. */
  maxLiveSyncPlaybackRate: number;
}

const WITH_PARTS_S: Record<LatencyMode, number> = { "ultra-low": 0.7, low: 1.2, smooth: 3 };
const SEGMENTS: Record<LatencyMode, number> = { "ultra-low": 2, low: 3, smooth: 4 };

export function liveSyncOf(mode: LatencyMode, parts: boolean): LiveSync {
  const maxLiveSyncPlaybackRate = mode === "smooth" ? 1.04 : 1.08;
  if (parts) {
    const behind_s = WITH_PARTS_S[mode];
    return { liveSyncDuration: behind_s, liveMaxLatencyDuration: behind_s + 5, maxLiveSyncPlaybackRate };
  }
  const count = SEGMENTS[mode];
  return { liveSyncDurationCount: count, liveMaxLatencyDurationCount: count + 4, maxLiveSyncPlaybackRate };
}
