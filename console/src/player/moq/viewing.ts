/**
 * A viewing over MoQ: edges, failover and the media engine put together. No user interface here.
 *
 * The picture is never torn down: whatever ends (a subscription, a connection, a grant, a broadcast), the last frame
 * stays on the canvas and the same decoder goes on when frames come again.
 */

import type { PlayerState, PlayerStats } from "../stats";
import type { WatchTicket } from "../ticket";
import { LATENCY_MODES_MS, type LatencyMode, type Viewing, type ViewingOptions } from "../viewing";
import { readCatalog } from "./catalog";
import { Connections, type Switched } from "./connections";
import { Failover } from "./failover";
import { MediaEngine } from "./media-engine";
import { MoqMenus } from "./menus";
import { Patience } from "./patience";

/** How often liveness is judged. */
const TICK_MS = 50;
/** No picture for this long: tell the viewer that the player waits. */
const WAITING_MS = 2000;
/** Hidden pages get a tick a second; after a longer pause the whole page slept, and with it its connections. */
const SLEPT_MS = 3000;
/** A source that sends fewer pictures is allowed longer silences. */
const SILENCE_FRAMES = 5;
const SILENCE_MS = 250;

export class MoqViewing implements Viewing {
  readonly protocol = "moq";
  readonly surface = document.createElement("canvas");
  readonly engine: MediaEngine;
  readonly menus: MoqMenus;
  private readonly failover = new Failover(SILENCE_MS);
  private readonly connections: Connections;
  private readonly patience = new Patience();
  private readonly now = (): number => performance.now();
  private startup_ms: number | undefined;
  private ticket_ms: number | undefined;
  private session_ms: number | undefined;
  private page_to_paint_ms: number | undefined;
  private switches = 0;
  private state: PlayerState = "connecting";
  private undecodable: string | undefined;
  private paused = false;
  private closed = false;
  private lastTick = Infinity;
  private timer: ReturnType<typeof setInterval> | undefined;
  private refresh = 0;

  constructor(private readonly options: ViewingOptions) {
    this.engine = new MediaEngine(this.surface, LATENCY_MODES_MS[options.latency], this.now, {
      tracksChanged: () => this.connections.reconcile(),
      firstPaint: () => this.onFirstPaint(),
      undecodable: (codec) => this.onUndecodable(codec),
      menus: () => options.events.menus(),
      captions: (lines) => options.events.captions(lines),
    });
    this.menus = new MoqMenus(this.engine);
    this.engine.setMaxHeight(options.max_height);
    this.connections = new Connections(this.failover, this.engine, this.now, {
      switched: (action) => this.noteSwitch(action),
      wantsTicket: () => options.events.wantsTicket(),
      trouble: (word) => options.events.trouble(word),
      connected: () => (this.session_ms ??= this.sinceStart()),
    });
  }

  start(): void {
    this.timer = setInterval(() => this.tick(), TICK_MS);
    document.addEventListener("visibilitychange", this.onVisibility);
    const paint = (): void => {
      this.refresh = requestAnimationFrame(paint);
      if (!this.paused) this.engine.paint();
    };
    this.refresh = requestAnimationFrame(paint);
  }

  close(): void {
    this.closed = true;
    clearInterval(this.timer);
    cancelAnimationFrame(this.refresh);
    document.removeEventListener("visibilitychange", this.onVisibility);
    this.connections.perform(this.failover.stop());
    this.engine.close();
  }

  ticket(ticket: WatchTicket, renewsGrant: boolean): void {
    this.connections.ticket = ticket;
    this.ticket_ms ??= this.sinceStart();
    // Asked for with the catalog instead of after it: a round trip less. The catalog that comes corrects what is old.
    if (ticket.catalog !== undefined && this.engine.renditions.length === 0) this.engine.setCatalog(readCatalog(ticket.catalog));
    this.connections.perform(this.failover.ticket(ticket.edges, this.now(), renewsGrant));
  }

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.connections.perform(this.failover.pause());
    this.engine.flush();
    this.setState("paused");
  }

  /** Back to the live edge. */
  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.patience.rest();
    this.connections.perform(this.failover.resume(this.now()));
    this.setState("connecting");
  }

  get hasAudio(): boolean {
    return this.engine.hasAudio;
  }

  async setMuted(muted: boolean): Promise<boolean> {
    if (muted) this.engine.mute();
    else await this.engine.unmute();
    return this.engine.audio.running;
  }

  setVolume(level: number): void {
    this.engine.audio.setVolume(level);
  }

  setLatency(mode: LatencyMode): void {
    this.engine.setTarget(LATENCY_MODES_MS[mode]);
  }

  timeline(): undefined {
    return undefined;
  }

  seek(): void {
    // What is on air now is all there is.
  }

  setRate(): void {
    // The live edge has one speed.
  }

  resetGaps(): void {
    this.engine.resetGaps();
  }

  stats(): PlayerStats {
    const active = this.failover.active;
    return {
      state: this.state,
      protocol: this.protocol,
      edge: active?.edge.url ?? "",
      edge_node_id: active?.edge.node_id ?? "",
      edge_site: active?.edge.site ?? "",
      warm_edge: this.failover.warm?.status === "ready" ? this.failover.warm.edge.url : "",
      rtt_ms: active ? this.connections.rttMs(active.id) : undefined,
      switches: this.switches,
      startup_ms: this.startup_ms,
      ticket_ms: this.ticket_ms,
      session_ms: this.session_ms,
      page_to_paint_ms: this.page_to_paint_ms,
      muted: !this.engine.audio.running,
      ...this.engine.measures(),
    };
  }

  private readonly onVisibility = (): void => {
    // A hidden page paints nothing; that is no gap in the stream.
    this.engine.interrupt();
  };

  private tick(): void {
    const now_ms = this.now();
    if (now_ms - this.lastTick > SLEPT_MS && !this.paused) {
      this.engine.flush();
      this.patience.rest();
      this.connections.perform(this.failover.woke(now_ms));
    }
    this.lastTick = now_ms;
    const fps = this.engine.current?.fps ?? 0;
    this.failover.silence_ms = Math.max(SILENCE_MS, fps > 0 ? (SILENCE_FRAMES * 1000) / fps : 0);
    if (this.engine.waitsOnPurpose) this.failover.rest(now_ms);
    this.connections.perform(this.failover.tick(now_ms));
    if (document.hidden && !this.paused) {
      this.engine.paint();
      this.engine.interrupt();
    }
    this.engine.tick();
    this.judgeState(now_ms);
    this.judgePatience(now_ms);
  }

  private judgePatience(now_ms: number): void {
    if (this.paused || !this.options.hasAlternative || this.connections.ticket === undefined) return;
    const word = this.patience.tick(this.connections.up, navigator.onLine, now_ms);
    if (word) this.options.events.gaveUp(word);
  }

  private judgeState(now_ms: number): void {
    if (this.paused || this.closed) return;
    if (now_ms - this.engine.lastPaintMs < WAITING_MS) {
      this.undecodable = undefined;
      this.setState("playing");
    } else if (this.undecodable !== undefined) {
      this.setState("failed", this.undecodable);
    } else if (now_ms - Math.max(this.engine.lastPaintMs, this.options.started_ms) > WAITING_MS) {
      this.setState("waiting");
    }
  }

  private setState(state: PlayerState, detail = ""): void {
    if (this.state === state) return;
    this.state = state;
    this.options.events.state(state, detail);
  }

  private onUndecodable(codec: string): void {
    this.options.events.trouble("undecodable");
    if (this.engine.avoidUndecodable()) return;
    if (this.options.hasAlternative) this.options.events.gaveUp("undecodable");
    this.undecodable = `codec ${codec}`;
  }

  private onFirstPaint(): void {
    this.page_to_paint_ms = performance.now();
    this.startup_ms = this.sinceStart();
    this.setState("playing");
    this.options.events.firstPaint(this.startup_ms);
  }

  private sinceStart(): number {
    return this.now() - this.options.started_ms;
  }

  private noteSwitch(action: Switched): void {
    if (action.silent_ms === 0) return;
    this.switches++;
    const info = { from: action.from?.node_id ?? "", to: action.to.node_id, gap_ms: Math.round(action.silent_ms) };
    this.options.events.switched(info);
  }
}
