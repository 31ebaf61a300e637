/**
 * When to give MoQ up for another transport: pure rules.
 *
 * A UDP port that is blocked says nothing, it only never answers: then no session comes up, on no edge. That is not
 * to be confused with a silent channel (sessions are up, nothing is published), a page that slept, or a machine
 * without any network, where every transport would fail alike.
 */

/** QUIC needs one and a half round trips to connect: on any link on which live video makes sense it is up by then. */
export const START_MS = 1500;
/** Sessions were up and all are gone. The failover needs about a second for another edge, a restarted one more. */
export const LOST_MS = 5000;

export class Patience {
  private since: number | undefined;
  private hadSession = false;

  /**
   * Judge once per tick.
   * @param sessions how many are up
   * @returns a word when it is time to give up
   */
  tick(sessions: number, online: boolean, now_ms: number): "no_session" | "lost_sessions" | undefined {
    if (sessions > 0 || !online) {
      this.hadSession ||= sessions > 0;
      this.since = undefined;
      return undefined;
    }
    this.since ??= now_ms;
    const waited_ms = now_ms - this.since;
    if (!this.hadSession) return waited_ms >= START_MS ? "no_session" : undefined;
    return waited_ms >= LOST_MS ? "lost_sessions" : undefined;
  }

  /** Time in which nothing could happen (a page that slept, a pause) does not count. */
  rest(): void {
    this.since = undefined;
  }
}
