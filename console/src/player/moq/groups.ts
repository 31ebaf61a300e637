/**
 * Where the next slot of two seconds begins, in group numbers: there every rendition has a key frame.
 *
 * A group's number is its first picture's media time divided by a tick; how long a tick is, is read off the groups
 * themselves.
 */

const SLOT_US = 2_000_000;
/** A slot is given out in whole ticks of one of these lengths. */
const TICKS_US = [250_000, 500_000, 1_000_000, 2_000_000];

/**
 * The group that opens the slot after the one `pts_us` lies in; undefined when the numbers follow no tick.
 * @param first_pts_us media time of the first frame of `group`
 */
export function nextSlotGroup(group: number, first_pts_us: number, pts_us: number): number | undefined {
  const tick_us = TICKS_US.find((tick) => Math.abs(first_pts_us / tick - group) <= 1);
  return tick_us === undefined ? undefined : ((Math.floor(pts_us / SLOT_US) + 1) * SLOT_US) / tick_us;
}

/** How long ago the slot of `pts_us` began. */
export function intoSlotUs(pts_us: number): number {
  return pts_us % SLOT_US;
}

/**
 * A slot that has just begun is worth taking from its start: there is little of it to catch up with. Later the next
 * one is waited for, because the backlog of the running one would fill the queue in front of the sound.
 */
const FRESH_SLOT_US = 350_000;

/**
 * From which group on another rendition is wanted; undefined for the running one.
 * @param newest the newest group of the rendition fetched so far
 * @param late_us how late its frames come; only for an urgent change, after which nothing plays meanwhile
 */
export function startGroup(
  newest: { group: number; first_pts_us: number; newest_pts_us: number } | undefined,
  late_us: number | undefined,
): number | undefined {
  if (!newest) return undefined;
  const live_us = newest.newest_pts_us + (late_us ?? 0);
  if (late_us !== undefined && intoSlotUs(live_us) < FRESH_SLOT_US) return undefined;
  return nextSlotGroup(newest.group, newest.first_pts_us, live_us);
}
