/** Where in a playlist something is that was on the air at a given moment. */

/** What of hls.js's fragments is needed; times in seconds, the date in milliseconds since the Unix epoch. */
export interface DatedSegment {
  start: number;
  duration: number;
  programDateTime: number | null;
}

/** @returns the place in the player's time; that of the next segment where nothing was recorded; undefined without any */
export function placeOf(segments: readonly DatedSegment[], air_s: number): number | undefined {
  let last: number | undefined;
  for (const { start, duration, programDateTime } of segments) {
    if (programDateTime === null) continue;
    const begin_s = programDateTime / 1000;
    if (begin_s + duration > air_s) return start + Math.max(0, air_s - begin_s);
    last = start;
  }
  return last;
}
