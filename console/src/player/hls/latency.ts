/**
 * What the latency modes mean over HLS. With parts: how much media is kept in front of the playhead when there is least
 * of it, just before the next part comes (see pace.ts); the age of the picture follows from how late parts come, and is
 * about half a second more. Whole segments cannot do with less than two of them behind the live edge, and three is what
 * RFC 8216 section 6.3.3 asks for.
 */

import type { LatencyMode } from "../viewing";

export interface LiveSync {
  /** Seconds behind the live edge; with parts. Where to begin, and where to go on after having been too far behind. */
  liveSyncDuration?: number;
  /** Target durations behind the live edge; with whole segments. */
  liveSyncDurationCount?: number;
  liveMaxLatencyDuration?: number;
  liveMaxLatencyDurationCount?: number;
}

export const CUSHION_MS: Record<LatencyMode, number> = { "ultra-low": 150, low: 400, smooth: 2000 };
const SEGMENTS: Record<LatencyMode, number> = { "ultra-low": 2, low: 3, smooth: 4 };
/** A part, since the end of the playlist may be just about to move on, and the time to fetch the next one. */
const PART_MS = 250;
/** So much further behind, going on at the live edge is better than catching up. */
const TOO_FAR_MS = 5000;

/** For parts, with so much kept in front of the playhead. */
export function partSyncOf(cushion_ms: number): LiveSync {
  const behind_ms = cushion_ms + PART_MS;
  return { liveSyncDuration: behind_ms / 1000, liveMaxLatencyDuration: (behind_ms + TOO_FAR_MS) / 1000 };
}

/** For whole segments. */
export function segmentSyncOf(mode: LatencyMode): LiveSync {
  const count = SEGMENTS[mode];
  return { liveSyncDurationCount: count, liveMaxLatencyDurationCount: count + 4 };
}

export function liveSyncOf(mode: LatencyMode, parts: boolean): LiveSync {
  return parts ? partSyncOf(CUSHION_MS[mode]) : segmentSyncOf(mode);
}
