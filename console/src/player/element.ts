/**
 * `<skyriver-player>`: the player as a custom element.
 *
 * Attributes: `channel` ("tenant/channel", a public one), `api` (where the cloud is; default: where the script came
 * from), `latency` (ultra-low, low, smooth), `lang`, `quality` (a rendition's track name), `muted` is the default.
 * Property `tickets` takes a ticket source instead of `channel`.
 * Events: `statechange` {state, detail}, `firstpaint` {startup_ms}, `switch` {from, to, gap_ms}, `stats` (PlayerStats,
 * once a second).
 */

import { Controls, LATENCY_MODES_MS, type LatencyMode } from "./ui/controls";
import { Playback, type SwitchInfo } from "./moq/playback";
import type { PlayerState, PlayerStats } from "./stats";
import { STYLES } from "./ui/styles";
import { httpTicketSource, publicWatchUrl, type TicketSource } from "./ticket";
import { isWord, languageOf, word, type Language, type WordKey } from "./ui/words";

const STATS_MS = 1000;
const VOLUME_STEP = 0.1;

declare global {
  interface Window {
    /** The statistics of the player that was started last; for tests and for the curious. */
    skyriverPlayerStats?: () => PlayerStats | undefined;
  }
}

function sheet(): CSSStyleSheet {
  const styles = new CSSStyleSheet();
  styles.replaceSync(STYLES);
  return styles;
}

export class SkyriverPlayer extends HTMLElement {
  static readonly observedAttributes = ["channel", "api", "latency", "lang", "quality"];

  private readonly controls: Controls;
  private playback: Playback | undefined;
  private source: TicketSource | undefined;
  private timer: ReturnType<typeof setInterval> | undefined;
  private muted = true;
  private level = 1;
  private paused = false;
  private restarting = false;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet()];
    this.controls = new Controls(root, {
      togglePlay: () => this.togglePlay(),
      toggleMute: () => void this.setMuted(!this.muted),
      volume: (level) => void this.setVolume(level),
      quality: (track) => this.fixQuality(track),
      latency: (mode) => this.setAttribute("latency", mode),
      fullscreen: () => void this.toggleFullscreen(),
      statistics: () => this.toggleStatistics(),
    });
    this.addEventListener("keydown", (event) => this.onKey(event));
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
    return this.playback?.stats();
  }

  /** Stop watching; the last picture stays. */
  pause(): void {
    if (!this.paused) this.togglePlay();
  }

  /** Go on at the live edge. */
  play(): void {
    if (this.paused) this.togglePlay();
  }

  /** Forget the longest gaps so far, as before a drill. */
  resetGaps(): void {
    this.playback?.engine.resetGaps();
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
    if (name === "lang") this.applyLanguage();
    else if (name === "latency") this.playback?.engine.setTarget(LATENCY_MODES_MS[this.mode]);
    else if (name === "quality") this.fixQuality(after ?? undefined);
    else this.restart();
  }

  private get mode(): LatencyMode {
    const mode = this.getAttribute("latency") ?? "low";
    return mode in LATENCY_MODES_MS ? (mode as LatencyMode) : "low";
  }

  private get language(): Language {
    return languageOf(this.getAttribute("lang") || document.documentElement.lang || navigator.language);
  }

  private say(key: WordKey, values?: Record<string, string | number>): string {
    return word(this.language, key, values);
  }

  private applyLanguage(): void {
    this.setAttribute("aria-label", this.say("player"));
    this.controls.setLanguage(this.language, this.mode);
    this.controls.setPlaying(!this.paused);
    this.showMuted();
    this.showQualities();
    const stats = this.stats;
    if (stats) this.showState(stats.state, "");
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

  private ticketSource(): TicketSource | undefined {
    if (this.source) return this.source;
    const channel = this.getAttribute("channel");
    if (!channel) return undefined;
    const api = this.getAttribute("api") ?? new URL("/", import.meta.url).toString();
    return httpTicketSource(publicWatchUrl(new URL(api, location.href).toString(), channel));
  }

  private begin(): void {
    this.shutDown();
    const tickets = this.ticketSource();
    if (!tickets) return;
    const trouble = missing();
    if (trouble) {
      this.controls.showMessage(this.say(trouble), false);
      this.emit("statechange", { state: "failed", detail: trouble });
      return;
    }
    this.paused = false;
    this.playback = new Playback({
      canvas: this.controls.canvas,
      tickets,
      latency_target_ms: LATENCY_MODES_MS[this.mode],
      events: {
        state: (state, detail) => this.showState(state, detail),
        switched: (info) => this.showSwitch(info),
        firstPaint: (startup_ms) => this.emit("firstpaint", { startup_ms }),
        renditions: () => this.showQualities(),
      },
    });
    this.playback.engine.choice.fix(this.getAttribute("quality") ?? undefined);
    this.playback.start();
    this.timer = setInterval(() => this.report(), STATS_MS);
    window.skyriverPlayerStats = () => this.stats;
    if (!this.muted) void this.playback.engine.unmute();
  }

  private shutDown(): void {
    clearInterval(this.timer);
    this.playback?.close();
    this.playback = undefined;
  }

  private report(): void {
    const stats = this.stats;
    if (!stats) return;
    this.controls.update(stats);
    this.emit("stats", stats);
  }

  private emit(name: string, detail: object): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  private showState(state: PlayerState, detail: string): void {
    const busy = state === "connecting" || state === "waiting";
    this.controls.showMessage(this.messageFor(state, detail), busy);
    this.controls.setPlaying(state !== "paused");
    this.emit("statechange", { state, detail });
  }

  private messageFor(state: PlayerState, detail: string): string | undefined {
    if (state === "playing" || state === "idle") return undefined;
    if (detail.startsWith("codec ")) return `${this.say("undecodable")} (${detail.slice(6)})`;
    if (isWord(detail)) return this.say(detail);
    if (state === "failed") return detail;
    if (state === "waiting" && (this.stats?.frames_painted ?? 0) > 0) return this.say("interrupted");
    return this.say(state);
  }

  private showSwitch(info: SwitchInfo): void {
    const site = this.stats?.edge_site || info.to;
    this.controls.showToast(this.say("switched", { edge: site, gap: info.gap_ms }));
    this.emit("switch", info);
  }

  private showQualities(): void {
    const engine = this.playback?.engine;
    this.controls.setQualities(engine?.renditions ?? [], engine?.choice.fixed);
    this.showMuted();
  }

  private showMuted(): void {
    this.controls.setMuted(this.muted, this.playback?.engine.hasAudio ?? false, this.level);
  }

  private togglePlay(): void {
    if (!this.playback) return;
    this.paused = !this.paused;
    if (this.paused) this.playback.pause();
    else this.playback.resume();
  }

  private async setMuted(muted: boolean): Promise<void> {
    this.muted = muted;
    const engine = this.playback?.engine;
    if (muted) engine?.mute();
    else await engine?.unmute();
    engine?.audio.setVolume(this.level);
    this.showMuted();
  }

  private async setVolume(level: number): Promise<void> {
    this.level = Math.min(1, Math.max(0, level));
    this.playback?.engine.audio.setVolume(this.level);
    if (this.muted !== (this.level === 0)) await this.setMuted(this.level === 0);
    this.showMuted();
  }

  private fixQuality(track: string | undefined): void {
    const engine = this.playback?.engine;
    engine?.choice.fix(track);
    engine?.chooseRendition();
  }

  private async toggleFullscreen(): Promise<void> {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await this.requestFullscreen();
  }

  private toggleStatistics(): void {
    if (this.controls.toggleStatistics()) this.report();
  }

  private onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.composedPath()[0];
    const onControl = target instanceof HTMLElement && target !== this && target.matches("button, select, input");
    const keys: Record<string, () => void> = {
      k: () => this.togglePlay(),
      m: () => void this.setMuted(!this.muted),
      f: () => void this.toggleFullscreen(),
      i: () => this.toggleStatistics(),
      ...(onControl
        ? {}
        : {
            " ": () => this.togglePlay(),
            ArrowUp: () => void this.setVolume(this.level + VOLUME_STEP),
            ArrowDown: () => void this.setVolume(this.level - VOLUME_STEP),
          }),
    };
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

/** What this browser or this page lacks, as a word. */
function missing(): WordKey | undefined {
  if (!globalThis.isSecureContext) return "insecure";
  const there = "WebTransport" in globalThis && "VideoDecoder" in globalThis && "AudioDecoder" in globalThis;
  return there ? undefined : "unsupported";
}

export function definePlayer(): void {
  if (!customElements.get("skyriver-player")) customElements.define("skyriver-player", SkyriverPlayer);
}
