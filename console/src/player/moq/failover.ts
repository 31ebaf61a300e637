/**
 * Which edge feeds the player: a state machine without I/O. The caller reports events with the time, carries out the
 * returned actions, and calls `tick` about every 50 ms.
 *
 * Theory of operation
 * - A SESSION is one connection to one edge, under one grant. At most one is ACTIVE (subscribed), one is the
 *   CHALLENGER (subscribed as well, for a while), one is WARM (connected, silent).
 * - Start: connect the best edge; if it is not ready after `HEADSTART_MS`, connect the next too; the first one ready
 *   becomes active. The warm session is made once frames flow, so that it never delays the first picture.
 * - Watchdog: no new frame for `silence_ms` while playing -> the warm session becomes challenger and is subscribed
 *   while the active one keeps its subscription. Frames of both reach the same queue, which drops duplicates, so it
 *   does not matter who is right: the picture goes on with the first that delivers. `GRACE_MS` after the challenger's
 *   first new frame the race is judged: an active session that delivered anything keeps its place and the challenger
 *   goes back to warm; a silent one is closed, the challenger becomes active, and the next edge is warmed up. An
 *   active session that needed rescue `MAX_RESCUES` times within `RESCUE_WINDOW_MS` loses its place as well.
 * - A tick that comes late means that this thread was blocked and arrivals are still waiting in line: it is not judged.
 * - Silence on both means that the source or the origin is silent, or both edges died: everything stays subscribed,
 *   a fresh ticket is asked for, and after `REPLACE_MS` the older of the two is replaced by another edge.
 * - A warm session must prove itself: an edge that does not bring the catalog within `PROOF_MS` while pictures flow
 *   elsewhere is replaced by the next.
 * - A closed connection needs no watchdog: the next best takes over at once.
 * - An edge that failed rests for a while, doubling up to a minute, before it is a candidate again; when every edge
 *   rests, the one that rests least longer is taken and a fresh ticket is asked for.
 * - While there is no spare (a restarted edge comes back under another address) fresh tickets are asked for, ever more
 *   seldom; they only bring a newer list of edges.
 * - Renewal: a ticket that renews the grant marks sessions as outdated. A session with the new grant is warmed up,
 *   made challenger, and takes over with its first frame, before relays close the old one at its grant's expiry.
 */

import type { EdgeAddress } from "../ticket";

/** Time given to the best edge before the second is tried as well. */
export const HEADSTART_MS = 600;
/** A connection attempt that takes longer than this is given up. */
export const CONNECT_TIMEOUT_MS = 3000;
/** Both subscribed and both silent for this long: replace the older one. */
export const REPLACE_MS = 1500;
/** A first frame may take this long: the edge may have to pull the space from its origin. */
export const FIRST_FRAME_MS = 3000;
/** A warm edge that has not brought the catalog by then could not rescue anybody. */
export const PROOF_MS = 3000;
/** How long the active session may answer after the challenger's first new frame. */
export const GRACE_MS = 100;
export const MAX_RESCUES = 3;
export const RESCUE_WINDOW_MS = 10_000;
/** After the page slept, the loss of a connection that died meanwhile is noticed within this. */
export const WAKING_MS = 1000;
/** Ticks come every 50 ms; one that comes this late was held up by this thread. */
const LATE_TICK_MS = 150;
/** Never ask for tickets more often than this; doubles with each question in vain, up to the maximum. */
export const TICKET_SPACING_MS = 1000;
export const TICKET_SPACING_MAX_MS = 15_000;
/** First rest of a failed edge; doubles with each failure in a row. */
export const REST_MS = 2000;
export const REST_MAX_MS = 60_000;

export type SessionId = number;

export interface Session {
  id: SessionId;
  edge: EdgeAddress;
  generation: number;
  status: "connecting" | "ready";
  since_ms: number;
  /** Last time this session delivered any frame, even a duplicate. */
  delivered_ms: number;
  /** It has shown that it can serve the broadcast (its catalog came). */
  proven: boolean;
}

export type Action =
  | { do: "connect"; session: Session }
  | { do: "close"; session: Session }
  | { do: "subscribe"; session: Session }
  | { do: "unsubscribe"; session: Session }
  | { do: "switched"; from: EdgeAddress | undefined; to: EdgeAddress; silent_ms: number }
  | { do: "ask_ticket" };

interface Rest {
  until_ms: number;
  failures: number;
}

export class Failover {
  private edges: EdgeAddress[] = [];
  /** How many edges a ticket has ever named: with one only, there is no spare to ask for. */
  private mostEdges = 0;
  private generation = 0;
  private nextId: SessionId = 1;
  private sessions = new Map<SessionId, Session>();
  private rests = new Map<string, Rest>();
  private activeId: SessionId | undefined;
  private challengerId: SessionId | undefined;
  private raceStarted = 0;
  private lead: { since_ms: number; silent_ms: number } | undefined;
  private rescues: number[] = [];
  private lastFrame = 0;
  private frames = 0;
  private lastTick = 0;
  private skippedTick = false;
  private lastTicketAsk = -Infinity;
  private vainAsks = 0;
  private paused = false;
  private wakingUntil = -Infinity;
  private forgiven = new Set<string>();

  constructor(public silence_ms = 250) {}

  get active(): Session | undefined {
    return this.activeId === undefined ? undefined : this.sessions.get(this.activeId);
  }

  get challenger(): Session | undefined {
    return this.challengerId === undefined ? undefined : this.sessions.get(this.challengerId);
  }

  /** A connected or connecting session that is not subscribed. */
  get warm(): Session | undefined {
    return [...this.sessions.values()].find((s) => s.id !== this.activeId && s.id !== this.challengerId);
  }

  /** A ticket came: the first, one that renews the grant, or one with a fresher list of edges. */
  ticket(edges: readonly EdgeAddress[], now_ms: number, renewsGrant = false): Action[] {
    this.edges = [...edges].sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0));
    this.mostEdges = Math.max(this.mostEdges, edges.length);
    this.lastTicketAsk = now_ms;
    if (renewsGrant) this.generation++;
    const listed = new Set(edges.map((edge) => edge.url));
    const actions: Action[] = [];
    for (const session of [...this.sessions.values()]) {
      const idle = session.id !== this.activeId && session.id !== this.challengerId;
      if (idle && (renewsGrant || !listed.has(session.edge.url))) actions.push(...this.drop(session));
    }
    if (this.sessions.size === 0 || (this.active && this.frames > 0)) actions.push(...this.connectNext(now_ms));
    return actions;
  }

  connected(id: SessionId, now_ms: number): Action[] {
    const session = this.sessions.get(id);
    if (!session) return [];
    session.status = "ready";
    session.since_ms = now_ms;
    this.rests.delete(session.edge.url);
    if (this.paused) {
      this.activeId ??= id;
      return [];
    }
    if (!this.active) return this.promote(session, now_ms);
    if (this.outdated(this.active) || this.silent(now_ms)) return this.challenge(session, now_ms);
    return [];
  }

  /** The session brought the catalog. */
  proven(id: SessionId): void {
    const session = this.sessions.get(id);
    if (!session) return;
    session.proven = true;
    if (id !== this.activeId) this.vainAsks = 0;
  }

  /** The connection failed or was closed by the edge. */
  closed(id: SessionId, now_ms: number): Action[] {
    const session = this.sessions.get(id);
    if (!session) return [];
    this.sessions.delete(id);
    this.layUp(session.edge, now_ms);
    if (id === this.challengerId) this.challengerId = undefined;
    if (id !== this.activeId) return this.sessions.size < 2 ? this.connectNext(now_ms) : [];
    this.activeId = undefined;
    const actions: Action[] = [];
    const heir = this.challenger ?? [...this.sessions.values()].find((s) => s.status === "ready");
    if (heir) {
      const subscribed = heir.id === this.challengerId;
      this.challengerId = undefined;
      this.activeId = heir.id;
      if (!subscribed && !this.paused) actions.push({ do: "subscribe", session: heir });
      actions.push({ do: "switched", from: session.edge, to: heir.edge, silent_ms: now_ms - this.lastFrame });
    }
    actions.push(...this.connectNext(now_ms));
    return actions;
  }

  /** A frame arrived from a subscribed session; `fresh` unless another edge had already brought it. */
  frame(id: SessionId, fresh: boolean, now_ms: number): Action[] {
    const session = this.sessions.get(id);
    if (!session) return [];
    session.delivered_ms = now_ms;
    const { active, challenger } = this;
    const silent_ms = now_ms - this.lastFrame;
    if (fresh) {
      this.lastFrame = now_ms;
      this.frames++;
    }
    if (active && challenger) {
      const renewal = this.isRenewal(active, challenger);
      if (session === challenger && renewal) return this.crown(challenger, active, 0, now_ms);
      if (session === challenger && fresh) this.lead ??= { since_ms: now_ms, silent_ms };
      if (session === active && fresh && !renewal) return this.stepBack(active, challenger, silent_ms, now_ms);
    }
    return fresh && this.frames === 1 ? this.connectNext(now_ms) : [];
  }

  tick(now_ms: number): Action[] {
    const heldUp = now_ms - this.lastTick > LATE_TICK_MS && !this.skippedTick;
    this.skippedTick = heldUp;
    this.lastTick = now_ms;
    if (heldUp) return [];
    const actions = this.expireAttempts(now_ms);
    if (this.edges.length === 0 || this.paused) return actions;
    const active = this.active;
    if (!active) return [...actions, ...this.hurryStart(now_ms)];
    if (this.challenger) return [...actions, ...this.judgeRace(now_ms)];
    return [...actions, ...this.tendWarm(active, now_ms)];
  }

  pause(): Action[] {
    this.paused = true;
    const actions: Action[] = [];
    for (const session of [this.active, this.challenger]) {
      if (session) actions.push({ do: "unsubscribe", session });
    }
    this.challengerId = undefined;
    return actions;
  }

  resume(now_ms: number): Action[] {
    this.paused = false;
    this.lastFrame = now_ms;
    const session = this.active ?? [...this.sessions.values()].find((s) => s.status === "ready");
    if (session) return this.promote(session, now_ms);
    return this.connectNext(now_ms);
  }

  /** No pictures are wanted for a moment: their absence says nothing about the edge. */
  rest(now_ms: number): void {
    this.lastFrame = Math.max(this.lastFrame, now_ms);
  }

  /** The page slept (a closed lid, a frozen tab): what was lost meanwhile says nothing about the edges. */
  woke(now_ms: number): Action[] {
    this.rests.clear();
    this.forgiven.clear();
    this.wakingUntil = now_ms + WAKING_MS;
    return this.sessions.size === 0 && this.edges.length > 0 && !this.paused ? this.connectNext(now_ms) : [];
  }

  /** Close everything. */
  stop(): Action[] {
    const actions = [...this.sessions.values()].map((session): Action => ({ do: "close", session }));
    this.sessions.clear();
    this.activeId = this.challengerId = undefined;
    return actions;
  }

  private expireAttempts(now_ms: number): Action[] {
    const actions: Action[] = [];
    for (const session of [...this.sessions.values()]) {
      if (session.status !== "connecting" || now_ms - session.since_ms <= CONNECT_TIMEOUT_MS) continue;
      actions.push({ do: "close", session }, ...this.closed(session.id, now_ms));
    }
    return actions;
  }

  /** Keep a good spare, and use it when it is needed. */
  private tendWarm(active: Session, now_ms: number): Action[] {
    const warm = this.warm;
    if (!warm) return this.frames > 0 || this.silent(now_ms) ? this.connectNext(now_ms) : [];
    if (warm.status !== "ready") return [];
    if (this.silent(now_ms) || this.outdated(active)) return this.challenge(warm, now_ms);
    if (warm.proven || now_ms - warm.since_ms <= PROOF_MS) return [];
    this.layUp(warm.edge, now_ms);
    return [...this.drop(warm), ...this.connectNext(now_ms)];
  }

  private silent(now_ms: number): boolean {
    const allowed_ms = this.frames > 0 ? this.silence_ms : FIRST_FRAME_MS;
    return now_ms - this.lastFrame >= allowed_ms;
  }

  private outdated(session: Session): boolean {
    return session.generation < this.generation;
  }

  private isRenewal(active: Session, challenger: Session): boolean {
    return this.outdated(active) && !this.outdated(challenger);
  }

  private promote(session: Session, now_ms: number): Action[] {
    this.activeId = session.id;
    // From here the watchdog counts, also for a session that never brings a first frame.
    this.lastFrame = now_ms;
    return [{ do: "subscribe", session }];
  }

  private challenge(session: Session, now_ms: number): Action[] {
    this.challengerId = session.id;
    this.raceStarted = now_ms;
    this.lead = undefined;
    return [{ do: "subscribe", session }];
  }

  private crown(winner: Session, loser: Session, silent_ms: number, now_ms: number): Action[] {
    this.activeId = winner.id;
    this.challengerId = undefined;
    this.rescues = [];
    if (!this.outdated(loser)) this.layUp(loser.edge, now_ms);
    return [
      { do: "switched", from: loser.edge, to: winner.edge, silent_ms },
      ...this.drop(loser),
      ...this.connectNext(now_ms),
    ];
  }

  private stepBack(active: Session, challenger: Session, silent_ms: number, now_ms: number): Action[] {
    this.rescues = [...this.rescues.filter((at) => now_ms - at < RESCUE_WINDOW_MS), now_ms];
    if (this.rescues.length >= MAX_RESCUES && challenger.delivered_ms >= this.raceStarted) {
      return this.crown(challenger, active, silent_ms, now_ms);
    }
    this.challengerId = undefined;
    return [{ do: "unsubscribe", session: challenger }];
  }

  private judgeRace(now_ms: number): Action[] {
    const { active, challenger, lead } = this;
    if (!active || !challenger) return [];
    const aliveSince = (s: Session): boolean => s.delivered_ms >= this.raceStarted;
    if (lead && now_ms - lead.since_ms >= GRACE_MS) {
      return aliveSince(active)
        ? this.stepBack(active, challenger, lead.silent_ms, now_ms)
        : this.crown(challenger, active, lead.silent_ms, now_ms);
    }
    if (lead || now_ms - this.raceStarted < REPLACE_MS) return [];
    // An edge that answers with frames already seen is well: the source is silent, another edge would not help.
    const answered = aliveSince(active) || challenger.delivered_ms > -Infinity;
    this.raceStarted = now_ms;
    const actions = this.askTicket(now_ms);
    if (answered || !this.candidate(now_ms, false)) return actions;
    return [...actions, ...this.crown(challenger, active, now_ms - this.lastFrame, now_ms)];
  }

  private hurryStart(now_ms: number): Action[] {
    const connecting = [...this.sessions.values()];
    if (connecting.length === 0) return this.connectNext(now_ms);
    const oldest = Math.min(...connecting.map((s) => s.since_ms));
    if (connecting.length < 2 && now_ms - oldest >= HEADSTART_MS) return this.connectNext(now_ms);
    return [];
  }

  private drop(session: Session): Action[] {
    this.sessions.delete(session.id);
    return [{ do: "close", session }];
  }

  private layUp(edge: EdgeAddress, now_ms: number): void {
    if (now_ms < this.wakingUntil && !this.forgiven.has(edge.url)) {
      this.forgiven.add(edge.url);
      return;
    }
    const failures = (this.rests.get(edge.url)?.failures ?? 0) + 1;
    const rest_ms = Math.min(REST_MS * 2 ** (failures - 1), REST_MAX_MS);
    this.rests.set(edge.url, { until_ms: now_ms + rest_ms, failures });
  }

  private candidate(now_ms: number, desperate: boolean): EdgeAddress | undefined {
    const inUse = new Set([...this.sessions.values()].filter((s) => !this.outdated(s)).map((s) => s.edge.url));
    const free = this.edges.filter((edge) => !inUse.has(edge.url));
    const rested = free.find((edge) => (this.rests.get(edge.url)?.until_ms ?? 0) <= now_ms);
    if (rested || !desperate) return rested;
    const until = (edge: EdgeAddress): number => this.rests.get(edge.url)?.until_ms ?? 0;
    return [...free].sort((a, b) => until(a) - until(b))[0];
  }

  private connectNext(now_ms: number): Action[] {
    // With nothing alive a resting edge is better than none, but not in a tight loop.
    const desperate = this.sessions.size === 0;
    if (this.hasSpare()) return [];
    const edge = this.candidate(now_ms, false);
    const chosen = edge ?? (desperate ? this.candidateAfterPause(now_ms) : undefined);
    const actions = edge || this.mostEdges < 2 ? [] : this.askTicket(now_ms);
    if (!chosen) return desperate ? [...actions, ...this.askTicket(now_ms)] : actions;
    const session: Session = {
      id: this.nextId++,
      edge: chosen,
      generation: this.generation,
      status: "connecting",
      since_ms: now_ms,
      delivered_ms: -Infinity,
      proven: false,
    };
    this.sessions.set(session.id, session);
    return [...actions, { do: "connect", session }];
  }

  /** Whether enough sessions are there: one beside the active one; while there is none, two attempts at once. */
  private hasSpare(): boolean {
    if (!this.active) return this.sessions.size >= 2;
    const spare = this.warm;
    return spare !== undefined && !this.outdated(spare);
  }

  private candidateAfterPause(now_ms: number): EdgeAddress | undefined {
    const edge = this.candidate(now_ms, true);
    if (!edge) return undefined;
    const rest = this.rests.get(edge.url);
    const waited = rest === undefined || now_ms >= rest.until_ms - REST_MS / 2;
    return waited ? edge : undefined;
  }

  private askTicket(now_ms: number): Action[] {
    const spacing_ms = Math.min(TICKET_SPACING_MS * 2 ** this.vainAsks, TICKET_SPACING_MAX_MS);
    if (now_ms - this.lastTicketAsk < spacing_ms) return [];
    this.lastTicketAsk = now_ms;
    this.vainAsks++;
    return [{ do: "ask_ticket" }];
  }
}
