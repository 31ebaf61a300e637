/**
 * One viewing of one channel: tickets, edges and the media engine put together. No user interface here.
 *
 * The picture is never torn down: whatever ends (a subscription, a connection, a grant, a broadcast), the last frame
 * stays on the canvas and the same decoder goes on when frames come again.
 */

import { EdgeSession, type Following, type TrackRequest } from "./edge-session";
import { Failover, type Action, type Session, type SessionId } from "./failover";
import { MediaEngine } from "./media-engine";
import type { PlayerState, PlayerStats } from "../stats";
import { renewalDelayMs, ticketBackoffMs, TicketError, type TicketSource, type WatchTicket } from "../ticket";

/** How often liveness is judged. */
const TICK_MS = 50;
/** No picture for this long: tell the viewer that the player waits. */
const WAITING_MS = 2000;
/** How often the choice of the rendition is looked at again. */
const CHOICE_MS = 1000;
/** Hidden pages get a tick a second; after a longer pause the whole page slept, and with it its connections. */
const SLEPT_MS = 3000;
/** A source that sends fewer pictures is allowed longer silences. */
const SILENCE_FRAMES = 5;

export interface SwitchInfo {
  from: string;
  to: string;
  gap_ms: number;
}

export interface PlaybackEvents {
  state(state: PlayerState, detail: string): void;
  switched(info: SwitchInfo): void;
  firstPaint(startup_ms: number): void;
  renditions(): void;
}

interface Connected {
  session: EdgeSession | undefined;
  abort: AbortController;
  subscribed: boolean;
  catalog: Following | undefined;
  tracks: Map<string, Following>;
}

export interface PlaybackOptions {
  canvas: HTMLCanvasElement;
  tickets: TicketSource;
  latency_target_ms: number;
  silence_ms?: number;
  events: PlaybackEvents;
  now?: () => number;
}

export class Playback {
  readonly engine: MediaEngine;
  private readonly failover: Failover;
  private readonly connections = new Map<SessionId, Connected>();
  private readonly stop = new AbortController();
  private readonly now: () => number;
  private readonly silence_ms: number;
  private ticket: WatchTicket | undefined;
  private askingTicket = false;
  private renewing = false;
  private startedAt = 0;
  private startup_ms: number | undefined;
  private page_to_paint_ms: number | undefined;
  private switches = 0;
  private state: PlayerState = "idle";
  private failure: { state: "failed" | "waiting"; detail: string } | undefined;
  private paused = false;
  private lastChoice = 0;
  private lastTick = Infinity;
  private renewal: ReturnType<typeof setTimeout> | undefined;
  private timer: ReturnType<typeof setInterval> | undefined;
  private refresh = 0;

  constructor(private readonly options: PlaybackOptions) {
    this.now = options.now ?? (() => performance.now());
    this.silence_ms = options.silence_ms ?? 250;
    this.failover = new Failover(this.silence_ms);
    this.engine = new MediaEngine(options.canvas, options.latency_target_ms, this.now, {
      tracksChanged: () => this.reconcile(),
      firstPaint: () => this.onFirstPaint(),
      undecodable: (codec) => this.fail("failed", `codec ${codec}`),
      renditionsChanged: () => options.events.renditions(),
    });
  }

  start(): void {
    this.startedAt = this.now();
    this.setState("connecting");
    this.timer = setInterval(() => this.tick(), TICK_MS);
    document.addEventListener("visibilitychange", this.onVisibility);
    const paint = (): void => {
      this.refresh = requestAnimationFrame(paint);
      if (!this.paused) this.engine.paint();
    };
    this.refresh = requestAnimationFrame(paint);
    void this.askTicket();
  }

  close(): void {
    this.stop.abort();
    clearInterval(this.timer);
    clearTimeout(this.renewal);
    cancelAnimationFrame(this.refresh);
    document.removeEventListener("visibilitychange", this.onVisibility);
    this.perform(this.failover.stop());
    this.engine.close();
    this.setState("idle");
  }

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.perform(this.failover.pause());
    this.engine.flush();
    this.setState("paused");
  }

  /** Back to the live edge. */
  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.perform(this.failover.resume(this.now()));
    this.setState("connecting");
  }

  stats(): PlayerStats {
    const active = this.failover.active;
    return {
      state: this.state,
      protocol: "moq",
      edge: active?.edge.url ?? "",
      edge_node_id: active?.edge.node_id ?? "",
      edge_site: active?.edge.site ?? "",
      warm_edge: this.failover.warm?.status === "ready" ? this.failover.warm.edge.url : "",
      rtt_ms: active ? this.connections.get(active.id)?.session?.rttMs : undefined,
      switches: this.switches,
      startup_ms: this.startup_ms,
      page_to_paint_ms: this.page_to_paint_ms,
      muted: !this.engine.audio.running,
      ...this.engine.measures(),
    };
  }

  private isClosed(): boolean {
    return this.stop.signal.aborted;
  }

  private readonly onVisibility = (): void => {
    // A hidden page paints nothing; that is no gap in the stream.
    this.engine.interrupt();
  };

  private tick(): void {
    const now_ms = this.now();
    if (now_ms - this.lastTick > SLEPT_MS && !this.paused) {
      this.engine.flush();
      this.perform(this.failover.woke(now_ms));
    }
    this.lastTick = now_ms;
    const fps = this.engine.current?.fps ?? 0;
    this.failover.silence_ms = Math.max(this.silence_ms, fps > 0 ? (SILENCE_FRAMES * 1000) / fps : 0);
    this.perform(this.failover.tick(now_ms));
    if (document.hidden && !this.paused) {
      this.engine.paint();
      this.engine.interrupt();
    }
    if (now_ms - this.lastChoice >= CHOICE_MS) {
      this.lastChoice = now_ms;
      this.engine.chooseRendition();
    }
    this.judgeState(now_ms);
  }

  private judgeState(now_ms: number): void {
    if (this.paused || this.stop.signal.aborted) return;
    if (now_ms - this.engine.lastPaintMs < WAITING_MS) {
      this.failure = undefined;
      this.setState("playing");
    } else if (this.failure) {
      this.setState(this.failure.state, this.failure.detail);
    } else if (now_ms - Math.max(this.engine.lastPaintMs, this.startedAt) > WAITING_MS) {
      this.setState("waiting");
    }
  }

  private setState(state: PlayerState, detail = ""): void {
    if (this.state === state) return;
    this.state = state;
    this.options.events.state(state, detail);
  }

  private fail(state: "failed" | "waiting", detail: string): void {
    this.failure = { state, detail };
  }

  private onFirstPaint(): void {
    this.page_to_paint_ms = performance.now();
    this.startup_ms = this.now() - this.startedAt;
    this.setState("playing");
    this.options.events.firstPaint(this.startup_ms);
  }

  /** Ask until a ticket comes; only one question at a time. */
  private async askTicket(): Promise<void> {
    if (this.askingTicket) return;
    this.askingTicket = true;
    const { signal } = this.stop;
    try {
      for (let attempt = 1; !this.isClosed(); attempt++) {
        try {
          this.take(await this.options.tickets(signal));
          return;
        } catch (error) {
          if (this.isClosed()) return;
          await this.waitAfter(error, attempt);
        }
      }
    } finally {
      this.askingTicket = false;
    }
  }

  private async waitAfter(error: unknown, attempt: number): Promise<void> {
    const known = error instanceof TicketError ? error : undefined;
    const retryable = known?.retryable ?? true;
    this.fail(retryable ? "waiting" : "failed", known ? known.failure : String(error));
    // Even "no such channel" and "not allowed" may change: somebody creates it, or signs in. Ask, but seldom.
    const delay_ms = retryable ? ticketBackoffMs(attempt, known?.retryAfterMs) : 10_000;
    await new Promise((resolve) => setTimeout(resolve, delay_ms));
  }

  private take(ticket: WatchTicket): void {
    this.ticket = ticket;
    this.failure = undefined;
    this.perform(this.failover.ticket(ticket.edges, this.now(), this.renewing));
    if (this.renewing || this.renewal === undefined) this.planRenewal(ticket);
  }

  /** Sessions may hold grants of several tickets; the first of them to end sets the time. */
  private planRenewal(ticket: WatchTicket): void {
    this.renewing = false;
    this.renewal = setTimeout(
      () => {
        this.renewing = true;
        void this.askTicket();
      },
      renewalDelayMs(ticket.expires_at, Date.now()),
    );
  }

  private perform(actions: readonly Action[]): void {
    for (const action of actions) {
      if (action.do === "connect") this.connect(action.session);
      else if (action.do === "close") this.disconnect(action.session.id);
      else if (action.do === "ask_ticket") void this.askTicket();
      else if (action.do === "switched") this.noteSwitch(action);
      else this.setSubscribed(action.session.id, action.do === "subscribe");
    }
  }

  private noteSwitch(action: Extract<Action, { do: "switched" }>): void {
    if (action.silent_ms === 0) return;
    this.switches++;
    const info = { from: action.from?.node_id ?? "", to: action.to.node_id, gap_ms: Math.round(action.silent_ms) };
    this.options.events.switched(info);
  }

  private connect(session: Session): void {
    const { ticket } = this;
    if (!ticket) return;
    const abort = new AbortController();
    const entry: Connected = { session: undefined, abort, subscribed: false, catalog: undefined, tracks: new Map() };
    this.connections.set(session.id, entry);
    const run = async (): Promise<void> => {
      try {
        entry.session = await EdgeSession.connect(session.edge, ticket, abort.signal);
        this.perform(this.failover.connected(session.id, this.now()));
        this.reconcile();
        await entry.session.closed;
      } catch {
        // Refused, unreachable or given up; the state machine decides what follows.
      }
      // Closed by us: the state machine has been told already, it asked for it.
      if (!this.connections.has(session.id)) return;
      this.disconnect(session.id);
      this.perform(this.failover.closed(session.id, this.now()));
    };
    void run();
  }

  private disconnect(id: SessionId): void {
    const entry = this.connections.get(id);
    if (!entry) return;
    this.connections.delete(id);
    entry.abort.abort();
    entry.session?.close();
  }

  private setSubscribed(id: SessionId, subscribed: boolean): void {
    const entry = this.connections.get(id);
    if (!entry) return;
    entry.subscribed = subscribed;
    this.reconcile();
  }

  /** Make the subscriptions of every session what they should be. */
  private reconcile(): void {
    const wanted = new Map(this.engine.wanted().map((request) => [request.track, request]));
    for (const [id, entry] of this.connections) {
      if (!entry.session) continue;
      // The warm session follows the catalog too: its edge fetches the space now, not when it is needed.
      entry.catalog ??= entry.session.followCatalog((catalog) => {
        this.failover.proven(id);
        if (entry.subscribed) this.engine.setCatalog(catalog);
      });
      for (const [track, following] of entry.tracks) {
        if (entry.subscribed && wanted.has(track)) continue;
        following.close();
        entry.tracks.delete(track);
      }
      if (!entry.subscribed) continue;
      for (const request of wanted.values()) {
        if (!entry.tracks.has(request.track)) entry.tracks.set(request.track, this.follow(id, entry.session, request));
      }
    }
  }

  private follow(id: SessionId, session: EdgeSession, request: TrackRequest): Following {
    const watched = request.kind === "video" || this.engine.renditions.length === 0;
    return session.followTrack(request, {
      frame: (group, pts_us, data, first) => {
        const verdict = this.engine.frame(request, { group, pts_us, data, key: first });
        if (!watched) return;
        const fresh = verdict === "new" || verdict === "restarted";
        this.perform(this.failover.frame(id, fresh, this.now()));
      },
      endOfGroup: (group) => this.engine.endOfGroup(request, group),
    });
  }
}
