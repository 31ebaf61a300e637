/** Which renditions come into question at all: the size of the picture on the screen, and what the page allows. */

export interface Step {
  track: string;
  height: number;
  bitrate_bps: number;
  /** RFC 6381; it may change while the track goes on, with another publisher. */
  codec?: string;
}

/** A picture may be enlarged by this much before it looks soft; more pixels than are shown are wasted. */
const ENLARGE = 1.3;

/**
 * Index of the largest rendition worth fetching.
 * @param ladder largest first
 * @param shown_px height of the picture on the screen in device pixels
 * @param max_height what the page allows, in lines
 */
export function largestWorth(ladder: readonly Step[], shown_px: number, max_height: number): number {
  let index = 0;
  const next = (): Step | undefined => ladder[index + 1];
  for (let below = next(); below; below = next()) {
    const tooTall = (ladder[index]?.height ?? 0) > max_height;
    if (!tooTall && below.height * ENLARGE < shown_px) break;
    index++;
  }
  return index;
}
