/**
 * One wish to see something: gets tickets, picks the transport, and goes on with the next when one gives up.
 *
 * A transport that gave up is tried again after all others have, later each time round. The way that played is
 * remembered for the session of the tab, so that the next page of a site behind a closed UDP port starts at once.
 */

import { HlsViewing } from "./hls/viewing";
import { MoqViewing } from "./moq/viewing";
import { QoeMeter } from "./qoe";
import { Rewind } from "./rewind";
import type { PlaybackSnapshot, PlayerState, PlayerStats, Protocol } from "./stats";
import type { TicketSource, WatchTicket } from "./ticket";
import { TicketKeeper } from "./ticket-keeper";
import {
  capabilitiesOf, reasonForNone, tabStorage, TransportMemory, transportsFor, type TransportWish,
} from "./transport";
import type { LatencyMode, SwitchInfo, Timeline, Viewing, ViewingEvents, ViewingOptions } from "./viewing";

/** Between two rounds through all transports; doubles up to the maximum. */
const ROUND_MS = 1000;
const ROUND_MAX_MS = 15_000;

export interface SessionEvents {
  state(state: PlayerState, detail: string): void;
  switched(info: SwitchInfo): void;
  firstPaint(startup_ms: number): void;
  menus(): void;
  captions(lines: readonly string[]): void;
  /** Another transport plays from now on: its surface has to be shown, and told of volume and sound. */
  transport(viewing: Viewing): void;
}

export interface SessionOptions {
  /** A live channel's tickets, or the address of one HLS playlist. */
  source: TicketSource | string;
  wish: TransportWish;
  latency: LatencyMode;
  max_height: number;
  /** The cloud's address: what tickets name is relative to it. */
  api: string;
  events: SessionEvents;
}

export class PlayerSession {
  private readonly started_ms = performance.now();
  private readonly can = capabilitiesOf(globalThis);
  private readonly memory = new TransportMemory(tabStorage());
  private readonly qoe = new QoeMeter();
  private readonly keeper: TicketKeeper | undefined;
  private viewing: Viewing | undefined;
  private ways: Protocol[] = [];
  private turn = 0;
  private round = 0;
  private refusal: { word: string; retryable: boolean } | undefined;
  private state: PlayerState = "idle";
  private retry: ReturnType<typeof setTimeout> | undefined;
  private closed = false;
  private readonly rewind: Rewind;

  constructor(private readonly options: SessionOptions) {
    this.rewind = new Rewind({
      options: () => this.pastOptions(),
      entered: (viewing) => this.onPast(viewing),
      left: () => this.onLive(),
      failed: () => this.qoe.trouble("dvr"),
    });
    if (typeof options.source === "string") return;
    this.keeper = new TicketKeeper(options.source, {
      ticket: (ticket, renews) => this.onTicket(ticket, renews),
      refused: (word, retryable) => this.onRefused(word, retryable),
    });
  }

  get current(): Viewing | undefined {
    return this.rewind.viewing ?? this.viewing;
  }

  /** Where one is and can go: in a recording, or back in a running show. */
  timeline(): Timeline | undefined {
    return this.rewind.timeline() ?? this.current?.timeline();
  }

  seek(to_s: number): void {
    if (this.rewind.timeline()) this.rewind.seek(to_s);
    else this.viewing?.seek(to_s);
  }

  setLatency(mode: LatencyMode): void {
    this.viewing?.setLatency(mode);
  }

  goLive(): void {
    const line = this.timeline();
    if (line?.live) this.seek(line.end_s);
  }

  /** Where to send what the viewing was like; undefined before the first ticket, and for a plain address. */
  get latestTicket(): WatchTicket | undefined {
    return this.keeper?.latest;
  }

  start(): void {
    this.setState("connecting", "");
    if (this.keeper) this.keeper.ask();
    else this.begin(transportsFor("hls", this.can, { edges: 0, hls: this.addresses() }).filter((way) => way === "hls"));
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.retry);
    this.keeper?.close();
    this.rewind.close();
    this.viewing?.close();
    this.viewing = undefined;
    this.setState("idle", "");
  }

  pause(): void {
    this.current?.pause();
  }

  resume(): void {
    this.current?.resume();
  }

  stats(): PlayerStats | undefined {
    if (this.rewind.viewing) return this.rewind.viewing.stats();
    const stats = this.viewing?.stats();
    if (stats) this.qoe.observe(stats);
    if (stats?.state === "playing") this.rewind.observe(stats.latency_ms);
    return stats;
  }

  snapshot(): PlaybackSnapshot {
    this.stats();
    return this.qoe.snapshot(performance.now(), this.rewind.viewing !== undefined || this.viewing?.timeline()?.live === false);
  }

  private addresses() {
    const { source } = this.options;
    if (typeof source === "string") return [{ node_id: "", url: new URL(source, location.href).toString(), ll: false }];
    return this.keeper?.latest?.hls ?? [];
  }

  private onTicket(ticket: WatchTicket, renews: boolean): void {
    this.refusal = undefined;
    this.qoe.channel_id = ticket.channel_id;
    this.rewind.offer(ticket.dvr_url ? new URL(ticket.dvr_url, this.options.api).href : undefined);
    if (this.viewing ?? this.rewind.viewing) {
      this.viewing?.ticket(ticket, renews);
      return;
    }
    const offer = { edges: ticket.edges.length, hls: ticket.hls ?? [] };
    this.begin(transportsFor(this.options.wish, this.can, offer, this.memory.recall()));
  }

  private begin(ways: Protocol[]): void {
    this.ways = ways;
    this.turn = 0;
    const way = ways[0];
    if (way === undefined) {
      this.setState("failed", reasonForNone(this.can));
      return;
    }
    this.take(way);
  }

  private take(way: Protocol): void {
    const shown = (): boolean => this.rewind.viewing === undefined;
    const events: ViewingEvents = {
      state: (state, detail) => shown() && this.onState(state, detail),
      switched: (info) => {
        this.qoe.switched();
        this.options.events.switched(info);
      },
      firstPaint: (startup_ms) => this.onFirstPaint(way, startup_ms),
      menus: () => this.options.events.menus(),
      captions: (lines) => shown() && this.options.events.captions(lines),
      trouble: (word) => this.qoe.trouble(word),
      // Never from inside the viewing that gives up: it would be closed under its own feet.
      gaveUp: (word) => queueMicrotask(() => this.onGaveUp(viewing, word)),
      wantsTicket: () => this.keeper?.ask(),
    };
    const { latency, max_height } = this.options;
    const options: ViewingOptions = {
      latency, max_height, events, hasAlternative: this.ways.length > 1, started_ms: this.started_ms,
    };
    const addresses = this.addresses();
    const parts = addresses.filter((address) => address.ll);
    const viewing: Viewing = way === "moq" ? new MoqViewing(options) : new HlsViewing(way, way === "ll-hls" ? parts : addresses, options);
    this.viewing = viewing;
    this.options.events.transport(viewing);
    viewing.start();
    if (this.keeper?.latest) viewing.ticket(this.keeper.latest, false);
  }

  private onGaveUp(viewing: Viewing, word: string): void {
    if (this.closed || viewing !== this.viewing) return;
    this.qoe.trouble(word);
    this.qoe.observe(viewing.stats());
    this.qoe.transportEnds();
    viewing.close();
    this.viewing = undefined;
    this.turn++;
    if (this.rewind.viewing) return; // who comes back from the past takes the next way
    this.setState("connecting", "");
    const again = this.turn % this.ways.length === 0;
    const wait_ms = again ? Math.min(ROUND_MS * 2 ** this.round++, ROUND_MAX_MS) : 0;
    const way = this.ways[this.turn % this.ways.length];
    this.retry = setTimeout(() => {
      if (way !== undefined && !this.closed) this.take(way);
    }, wait_ms);
  }

  private pastOptions(): ViewingOptions {
    const { latency, max_height, events } = this.options;
    const leave = (): void => queueMicrotask(() => this.rewind.leave());
    return {
      latency, max_height, hasAlternative: true, started_ms: performance.now(),
      events: {
        state: (state, detail) => this.onState(state, detail),
        switched: () => undefined,
        firstPaint: () => this.rewind.painted(),
        menus: () => events.menus(),
        captions: (lines) => events.captions(lines),
        trouble: (word) => this.qoe.trouble(word),
        gaveUp: (word) => {
          this.qoe.trouble(word);
          leave();
        },
        wantsTicket: () => undefined,
      },
    };
  }

  private onPast(viewing: Viewing): void {
    this.viewing?.pause();
    this.setState("connecting", "");
    this.options.events.transport(viewing);
    viewing.start();
  }

  private onLive(): void {
    if (this.closed) return;
    this.setState("connecting", "");
    if (this.viewing) {
      this.options.events.transport(this.viewing);
      this.viewing.resume();
      return;
    }
    const way = this.ways[this.turn % this.ways.length];
    if (way !== undefined) this.take(way);
  }

  private onFirstPaint(way: Protocol, startup_ms: number): void {
    this.round = 0;
    this.memory.worked(way);
    this.qoe.painted(startup_ms);
    this.options.events.firstPaint(startup_ms);
  }

  private onRefused(word: string, retryable: boolean): void {
    this.refusal = { word, retryable };
    this.qoe.trouble(word);
    if (!this.viewing || this.state === "waiting") this.setState(retryable ? "waiting" : "failed", word);
  }

  /** What a viewing says of itself, and why no ticket comes, when that is the reason. */
  private onState(state: PlayerState, detail: string): void {
    if (state === "playing") this.refusal = undefined;
    if (state === "waiting" && this.refusal) this.setState(this.refusal.retryable ? "waiting" : "failed", this.refusal.word);
    else this.setState(state, detail);
  }

  private setState(state: PlayerState, detail: string): void {
    if (this.state === state && detail === "") return;
    if (state === "playing" && !this.rewind.viewing) this.rewind.begins();
    this.state = state;
    this.qoe.enter(state, performance.now());
    this.options.events.state(state, detail);
  }
}
