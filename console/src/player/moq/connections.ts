/** The sessions to edges, and the subscriptions on them: makes real what the failover decides. */

import type { TicketKeeper } from "../ticket-keeper";
import type { WatchTicket } from "../ticket";
import type { Catalog } from "./catalog";
import { EdgeSession, type Following, type TrackRequest } from "./edge-session";
import type { Action, Failover, Session, SessionId } from "./failover";
import type { Verdict } from "./frame-queue";
import type { MediaEngine } from "./media-engine";

export type Switched = Extract<Action, { do: "switched" }>;

export interface ConnectionsEvents {
  switched(action: Switched): void;
  wantsTicket(): void;
  trouble(word: string): void;
  /** A session is up. */
  connected(): void;
}

interface Connected {
  session: EdgeSession | undefined;
  abort: AbortController;
  subscribed: boolean;
  catalog: Following | undefined;
  tracks: Map<string, Following>;
}

export class Connections {
  private readonly all = new Map<SessionId, Connected>();
  ticket: TicketKeeper["latest"];

  constructor(
    private readonly failover: Failover,
    private readonly engine: MediaEngine,
    private readonly now: () => number,
    private readonly events: ConnectionsEvents,
  ) {}

  /** How many sessions are up. */
  get up(): number {
    return [...this.all.values()].filter((entry) => entry.session !== undefined).length;
  }

  rttMs(id: SessionId): number | undefined {
    return this.all.get(id)?.session?.rttMs;
  }

  perform(actions: readonly Action[]): void {
    for (const action of actions) {
      if (action.do === "connect") this.connect(action.session);
      else if (action.do === "close") this.disconnect(action.session.id);
      else if (action.do === "ask_ticket") this.events.wantsTicket();
      else if (action.do === "switched") this.events.switched(action);
      else this.setSubscribed(action.session.id, action.do === "subscribe");
    }
  }

  /** Make the subscriptions of every session what they should be. */
  reconcile(): void {
    const wanted = new Map(this.engine.wanted().map((request) => [keyOf(request), request]));
    for (const [id, entry] of this.all) {
      if (!entry.session) continue;
      // The warm session follows the catalog too: its edge fetches the space now, not when it is needed.
      entry.catalog ??= entry.session.followCatalog((catalog) => this.onCatalog(id, entry, catalog));
      for (const [key, following] of entry.tracks) {
        if (entry.subscribed && wanted.has(key)) continue;
        following.close();
        entry.tracks.delete(key);
      }
      if (!entry.subscribed) continue;
      for (const [key, request] of wanted) {
        if (!entry.tracks.has(key)) entry.tracks.set(key, this.follow(id, entry.session, request));
      }
    }
  }

  private onCatalog(id: SessionId, entry: Connected, catalog: Catalog): void {
    this.failover.proven(id);
    if (entry.subscribed) this.engine.setCatalog(catalog);
  }

  private connect(session: Session): void {
    const { ticket } = this;
    if (!ticket) return;
    const abort = new AbortController();
    const entry: Connected = { session: undefined, abort, subscribed: false, catalog: undefined, tracks: new Map() };
    this.all.set(session.id, entry);
    void this.run(session, entry, ticket);
  }

  private async run(session: Session, entry: Connected, ticket: WatchTicket): Promise<void> {
    try {
      entry.session = await EdgeSession.connect(session.edge, ticket, entry.abort.signal);
      this.events.connected();
      this.perform(this.failover.connected(session.id, this.now()));
      this.reconcile();
      await entry.session.closed;
    } catch {
      // Refused, unreachable or given up; the state machine decides what follows.
    }
    // Closed by us: the state machine has been told already, it asked for it.
    if (!this.all.has(session.id)) return;
    this.events.trouble("edge_lost");
    this.disconnect(session.id);
    this.perform(this.failover.closed(session.id, this.now()));
  }

  private disconnect(id: SessionId): void {
    const entry = this.all.get(id);
    if (!entry) return;
    this.all.delete(id);
    entry.abort.abort();
    entry.session?.close();
  }

  private setSubscribed(id: SessionId, subscribed: boolean): void {
    const entry = this.all.get(id);
    if (!entry) return;
    entry.subscribed = subscribed;
    this.reconcile();
  }

  private follow(id: SessionId, session: EdgeSession, request: TrackRequest): Following {
    if (request.kind === "text") return session.followText(request.track, (cues) => this.engine.cues(cues));
    const watched = request.kind === "video" || this.engine.renditions.length === 0;
    return session.followTrack(request, {
      frame: (group, pts_us, data, first) => {
        const verdict: Verdict = this.engine.frame(request, { group, pts_us, data, key: first });
        if (!watched) return;
        const fresh = verdict === "new" || verdict === "restarted";
        this.perform(this.failover.frame(id, fresh, this.now()));
      },
      endOfGroup: (group) => this.engine.endOfGroup(request, group),
    });
  }
}

function keyOf(request: TrackRequest): string {
  return `${request.kind} ${request.track} ${request.start_group ?? ""}`;
}
