/**
 * The queue of encoded frames of one track, fed by any number of edges at once.
 *
 * Theory of operation. Every edge serves the same groups with the same frames, so a frame is known by its group and
 * its timestamp. Frames of a group are kept in the order of their first arrival, which is decode order because each
 * edge delivers a group in order from its first frame. A copy that comes later (from the second edge during a race,
 * or again after a new subscription) is a duplicate and is dropped; so is a frame of a group that was already left.
 * Groups are left in order: when they ended and are drained, or when a later group's first frame is due and the
 * current group has nothing more to give (its tail was lost). A group always begins with a key frame; frames of a group
 * whose first frame has not come are not taken.
 *
 * When numbering starts again from a lower group while timestamps go on (another publisher took over without aligned
 * groups), the queue starts over instead of waiting for ever.
 *
 * Bounds: at most `MAX_GROUPS` groups; beyond that the oldest is dropped, which shows as one skipped group.
 */

export interface QueuedFrame {
  pts_us: number;
  data: Uint8Array;
  group: number;
  /** First frame of its group: a key frame, the decoder may start here. */
  key: boolean;
}

export type Verdict = "new" | "duplicate" | "late" | "restarted";

interface Group {
  sequence: number;
  frames: QueuedFrame[];
  /** Index of the next frame to hand out. */
  next: number;
  seen: Set<number>;
  ended: boolean;
}

/** 32 groups of 2 s: more than a minute, far above any latency target; only a reader that stopped reaches it. */
const MAX_GROUPS = 32;

export class FrameQueue {
  private groups: Group[] = [];
  private floor = -1;
  private lastPts = -Infinity;
  private newest = -Infinity;

  /** Take a frame as it arrives from any edge. */
  push(frame: QueuedFrame): Verdict {
    const { group, pts_us } = frame;
    let verdict: Verdict = "new";
    if (group < this.floor) {
      if (pts_us <= this.lastPts) return "late";
      this.clear();
      verdict = "restarted";
    }
    // The rest of a group whose beginning was lost cannot be decoded.
    if (!frame.key && !this.groups.some((g) => g.sequence === group)) return "late";
    const entry = this.groupFor(group);
    if (entry.seen.has(pts_us)) return "duplicate";
    entry.seen.add(pts_us);
    entry.frames.push(frame);
    if (pts_us > this.newest) this.newest = pts_us;
    return verdict;
  }

  /** An edge finished `group` cleanly: nothing more will come for it. */
  end(group: number): void {
    const entry = this.groups.find((g) => g.sequence === group);
    if (entry) entry.ended = true;
  }

  /** The next frame in decode order whose time has come (`pts_us <= due_us`), if any. */
  pull(due_us: number): QueuedFrame | undefined {
    for (;;) {
      const head = this.groups[0];
      if (!head) return undefined;
      const frame = head.frames[head.next];
      if (frame) {
        if (frame.pts_us > due_us) return undefined;
        head.next++;
        this.floor = head.sequence;
        this.lastPts = Math.max(this.lastPts, frame.pts_us);
        return frame;
      }
      const following = this.groups[1];
      const followingPts = following?.frames[0]?.pts_us;
      if (!following || followingPts === undefined) return undefined;
      if (!head.ended && followingPts > due_us) return undefined;
      this.floor = following.sequence;
      this.groups.shift();
    }
  }

  /**
   * Jump forward: leave everything before the newest group whose first frame is not after `due_us`.
   * Returns how many frames were given up.
   */
  skipTo(due_us: number): number {
    let target = 0;
    this.groups.forEach((group, index) => {
      const first = group.frames[0];
      if (first && group.next === 0 && first.pts_us <= due_us) target = index;
    });
    let skipped = 0;
    for (const group of this.groups.splice(0, target)) skipped += group.frames.length - group.next;
    const head = this.groups[0];
    if (head) this.floor = head.sequence;
    return skipped;
  }

  /** Drop frames at or after `pts_us`, so that another rendition can take over there. */
  cutFrom(pts_us: number): void {
    for (const group of this.groups) {
      const keep = group.frames.filter((frame, index) => index < group.next || frame.pts_us < pts_us);
      group.frames = keep;
    }
  }

  /** The first frame of the earliest group that starts after `pts_us`. */
  keyAfter(pts_us: number): QueuedFrame | undefined {
    for (const group of this.groups) {
      const first = group.frames[0];
      if (first && group.next === 0 && first.pts_us > pts_us) return first;
    }
    return undefined;
  }

  /** The first frame of the newest group that starts at or before `pts_us`, but not more than `within_us` before it. */
  keyBefore(pts_us: number, within_us: number): QueuedFrame | undefined {
    for (const group of this.groups.toReversed()) {
      const first = group.frames[0];
      if (first && group.next === 0 && first.pts_us <= pts_us && first.pts_us >= pts_us - within_us) return first;
    }
    return undefined;
  }

  /** Forget every group before `group`. */
  dropBefore(group: number): void {
    this.groups = this.groups.filter((g) => g.sequence >= group);
    this.floor = Math.max(this.floor, group);
  }

  clear(): void {
    this.groups = [];
    this.floor = -1;
    this.lastPts = -Infinity;
    this.newest = -Infinity;
  }

  /** Presentation time of the next frame to hand out. */
  get headPts(): number | undefined {
    const head = this.groups.find((g) => g.next < g.frames.length);
    return head?.frames[head.next]?.pts_us;
  }

  /** Latest presentation time handed out. */
  get releasedPts(): number {
    return this.lastPts;
  }

  /** Latest presentation time that arrived. */
  get newestPts(): number {
    return this.newest;
  }

  /** The group that began last, with the media times of its first and its latest frame. */
  get newestGroup(): { group: number; first_pts_us: number; newest_pts_us: number } | undefined {
    const last = this.groups[this.groups.length - 1];
    const first = last?.frames[0];
    return last && first ? { group: last.sequence, first_pts_us: first.pts_us, newest_pts_us: this.newest } : undefined;
  }

  get length(): number {
    return this.groups.reduce((sum, g) => sum + g.frames.length - g.next, 0);
  }

  private groupFor(sequence: number): Group {
    let index = this.groups.length;
    while (index > 0 && (this.groups[index - 1]?.sequence ?? -1) >= sequence) index--;
    const existing = this.groups[index];
    if (existing && existing.sequence === sequence) return existing;
    const created: Group = { sequence, frames: [], next: 0, seen: new Set(), ended: false };
    this.groups.splice(index, 0, created);
    if (this.groups.length > MAX_GROUPS) this.groups.shift();
    return created;
  }
}
