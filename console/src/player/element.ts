/**
 * `<skyriver-player>`: the player as a custom element.
 *
 * Attributes: `channel` ("tenant/channel", a public one) or `src` (an HLS playlist: a recording, or any stream), `api`
 * (where the cloud is; default: where the script came from), `transport` (auto, moq, hls), `latency` (ultra-low, low,
 * smooth), `quality` (a rendition), `max-rendition` ("480p", "lowest"), `thumbnails` (a WebVTT file of preview
 * pictures), `controls="off"`, `beacons="off"` (tell the cloud nothing), `lang`. It starts muted. Properties: `tickets` (a ticket source instead of `channel`),
 * `stats`, `playback`, `muted`, `volume`, `paused`, `currentTime`, `duration`.
 * Events: `statechange` {state, detail}, `firstpaint` {startup_ms}, `switch` {from, to, gap_ms}, `transportchange`
 * {protocol}, `stats` (PlayerStats, once a second).
 */

import { BeaconSender } from "./beacons";
import { PlayerSession } from "./session";
import type { PlaybackSnapshot, PlayerState, PlayerStats } from "./stats";
import { httpTicketSource, publicWatchUrl, type TicketSource } from "./ticket";
import { wishOf } from "./transport";
import { Face } from "./ui/face";
import { languageOf } from "./ui/words";
import { LATENCY_MODES_MS, type LatencyMode, type SwitchInfo, type Viewing } from "./viewing";

const STATS_MS = 1000;
/** How often the seek bar moves. */
const FACE_MS = 250;

declare global {
  interface Window {
    /** The statistics of the player that was started last; for tests and for the curious. */
    skyriverPlayerStats?: () => PlayerStats | undefined;
  }
}

export class SkyriverPlayer extends HTMLElement {
  static readonly observedAttributes = [
    "channel", "src", "api", "latency", "lang", "quality", "transport", "max-rendition", "thumbnails",
  ];

  private readonly face: Face;
  private session: PlayerSession | undefined;
  private beacons: BeaconSender | undefined;
  private source: TicketSource | undefined;
  private timers: ReturnType<typeof setInterval>[] = [];
  private isMuted = true;
  private level = 1;
  private isPaused = false;
  private restarting = false;

  constructor() {
    super();
    this.face = new Face(this.attachShadow({ mode: "open" }), this, {
      viewing: () => this.session?.current,
      timeline: () => this.session?.timeline(),
      seek: (to_s) => this.session?.seek(to_s),
      goLive: () => this.session?.goLive(),
      togglePlay: () => this.togglePlay(),
      setMuted: (muted) => void this.setMuted(muted),
      setVolume: (level) => (this.volume = level),
      setLatency: (mode) => this.setAttribute("latency", mode),
      fixQuality: (id) => (id === undefined ? this.removeAttribute("quality") : this.setAttribute("quality", id)),
      report: () => this.report(),
    });
  }

  /** Where tickets come from; set before or after the element is put into a page. */
  set tickets(source: TicketSource | undefined) {
    this.source = source;
    this.restart();
  }

  get tickets(): TicketSource | undefined {
    return this.source;
  }

  get stats(): PlayerStats | undefined {
    return this.session?.stats();
  }

  /** What the viewing was like so far; undefined while nothing is asked for. */
  get playback(): PlaybackSnapshot | undefined {
    return this.session?.snapshot();
  }

  get paused(): boolean {
    return this.isPaused;
  }

  get muted(): boolean {
    return this.isMuted;
  }

  /** Sound needs a gesture of the viewer first; browsers refuse it otherwise. */
  set muted(muted: boolean) {
    void this.setMuted(muted);
  }

  get volume(): number {
    return this.level;
  }

  set volume(level: number) {
    this.level = Math.min(1, Math.max(0, level));
    this.session?.current?.setVolume(this.level);
    if (this.isMuted !== (this.level === 0)) void this.setMuted(this.level === 0);
    this.showMuted();
  }

  /** The place in a recording, or in the part of a running show that can be played, in seconds from its start; else 0. */
  get currentTime(): number {
    const line = this.session?.timeline();
    return line ? line.position_s - line.start_s : 0;
  }

  set currentTime(to_s: number) {
    const line = this.session?.timeline();
    if (line) this.session?.seek(line.start_s + to_s);
  }

  /** Length of a recording in seconds; Infinity for what is live. */
  get duration(): number {
    const line = this.session?.timeline();
    return line && !line.live ? line.end_s - line.start_s : Infinity;
  }

  /** Stop watching; the last picture stays. */
  pause(): void {
    if (!this.isPaused) this.togglePlay();
  }

  /** To what is on the air now, for who has gone back in a running show. */
  goLive(): void {
    this.session?.goLive();
  }

  /** Go on: at the live edge, or where a recording was paused. */
  play(): void {
    if (this.isPaused) this.togglePlay();
  }

  /** Forget the longest gaps so far, as before a drill. */
  resetGaps(): void {
    this.session?.current?.resetGaps();
  }

  connectedCallback(): void {
    if (!this.hasAttribute("tabindex")) this.tabIndex = 0;
    this.setAttribute("role", "region");
    this.applyLanguage();
    this.restart();
  }

  disconnectedCallback(): void {
    // Moving the element within the page also disconnects it; wait for the dust to settle.
    queueMicrotask(() => {
      if (!this.isConnected) this.shutDown();
    });
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after || !this.isConnected) return;
    const viewing = this.session?.current;
    if (name === "lang") this.applyLanguage();
    else if (name === "latency") this.session?.setLatency(this.mode);
    else if (name === "quality") viewing?.menus.fixQuality(after ?? undefined);
    else if (name === "max-rendition") viewing?.menus.setMaxHeight(this.maxHeight);
    else if (name === "thumbnails") this.face.loadThumbnails(after);
    else this.restart();
    this.face.showMenus(this.mode);
  }

  private get mode(): LatencyMode {
    const mode = this.getAttribute("latency") ?? "low";
    return mode in LATENCY_MODES_MS ? (mode as LatencyMode) : "low";
  }

  /** Lines of the tallest picture to fetch. */
  private get maxHeight(): number {
    const limit = this.getAttribute("max-rendition");
    if (limit === "lowest") return 1;
    const lines = Number.parseInt(limit ?? "", 10);
    return lines > 0 ? lines : Infinity;
  }

  private applyLanguage(): void {
    this.face.setLanguage(languageOf(this.getAttribute("lang") || document.documentElement.lang || navigator.language));
    this.face.showMenus(this.mode);
    this.face.showPlaying(!this.isPaused);
    this.showMuted();
  }

  /** (Re)start after the attributes and properties of this turn have all been set. */
  private restart(): void {
    if (this.restarting) return;
    this.restarting = true;
    queueMicrotask(() => {
      this.restarting = false;
      if (this.isConnected) this.begin();
    });
  }

  private sourceNow(): TicketSource | string | undefined {
    if (this.source) return this.source;
    const address = this.getAttribute("src");
    if (address) return address;
    const channel = this.getAttribute("channel");
    if (!channel) return undefined;
    return httpTicketSource(publicWatchUrl(this.api, channel));
  }

  /** The cloud's address. */
  private get api(): string {
    const api = this.getAttribute("api") ?? new URL("/", import.meta.url).toString();
    return new URL(api, location.href).toString();
  }

  private tellOf(session: PlayerSession): BeaconSender {
    return new BeaconSender(new URL("/v1/public/beacons", this.api).toString(), {
      snapshot: () => session.snapshot(),
      token: () => session.latestTicket?.beacon_token,
    });
  }

  private begin(): void {
    this.shutDown();
    const source = this.sourceNow();
    if (source === undefined) return;
    this.isPaused = false;
    const session = new PlayerSession({
      source,
      wish: wishOf(this.getAttribute("transport")),
      latency: this.mode,
      max_height: this.maxHeight,
      api: this.api,
      events: {
        state: (state, detail) => this.onState(state, detail),
        switched: (info) => this.onSwitch(info),
        firstPaint: (startup_ms) => this.emit("firstpaint", { startup_ms }),
        menus: () => this.onMenus(),
        captions: (lines) => this.face.showCaptions(lines),
        transport: (viewing) => this.onTransport(viewing),
      },
    });
    this.session = session;
    if (this.getAttribute("beacons") !== "off") this.beacons = this.tellOf(session);
    this.face.loadThumbnails(this.getAttribute("thumbnails"));
    session.start();
    this.timers = [setInterval(() => this.report(), STATS_MS), setInterval(() => this.face.update(this.stats), FACE_MS)];
    window.skyriverPlayerStats = () => this.stats;
  }

  private shutDown(): void {
    for (const timer of this.timers.splice(0)) clearInterval(timer);
    const { session } = this;
    this.beacons?.end();
    this.beacons = this.session = undefined;
    session?.close();
  }

  private report(): void {
    const { stats } = this;
    if (!stats) return;
    this.face.update(stats);
    this.emit("stats", stats);
  }

  private emit(name: string, detail: object): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  private onTransport(viewing: Viewing): void {
    this.face.showSurface(viewing.surface);
    viewing.setVolume(this.level);
    const quality = this.getAttribute("quality");
    if (quality) viewing.menus.fixQuality(quality);
    if (!this.isMuted) void this.setMuted(false);
    this.emit("transportchange", { protocol: viewing.protocol });
  }

  private onState(state: PlayerState, detail: string): void {
    this.face.showState(state, detail, (this.session?.stats()?.frames_painted ?? 0) > 0);
    this.emit("statechange", { state, detail });
  }

  private onSwitch(info: SwitchInfo): void {
    this.face.showSwitch(this.stats?.edge_site || info.to, info.gap_ms);
    this.emit("switch", info);
  }

  private onMenus(): void {
    this.face.showMenus(this.mode);
    this.showMuted();
  }

  private showMuted(): void {
    this.face.showMuted(this.isMuted, this.session?.current?.hasAudio ?? false, this.level);
  }

  private togglePlay(): void {
    if (!this.session) return;
    this.isPaused = !this.isPaused;
    if (this.isPaused) this.session.pause();
    else this.session.resume();
  }

  private async setMuted(muted: boolean): Promise<void> {
    this.isMuted = muted;
    this.showMuted();
    const viewing = this.session?.current;
    const sounds = await viewing?.setMuted(muted);
    viewing?.setVolume(this.level);
    // The browser wanted a gesture: back to the button that asks for one.
    if (!muted && sounds === false && viewing === this.session?.current) this.isMuted = true;
    this.showMuted();
  }
}

export function definePlayer(): void {
  if (!customElements.get("skyriver-player")) customElements.define("skyriver-player", SkyriverPlayer);
}
