/** Between the element and its controls: words, messages, menus and keys. Decides nothing about playback. */

import type { PlayerState, PlayerStats } from "../stats";
import { preferredTrack, recallLanguage, rememberLanguage } from "../caption-choice";
import type { LatencyMode, Menus, Timeline, Viewing } from "../viewing";
import { Controls } from "./controls";
import { onKey, type KeyActions } from "./keys";
import { togglePip } from "./pip";
import { STYLES } from "./styles";
import { Thumbnails } from "./thumbnails";
import { isWord, word, type Language, type WordKey } from "./words";

export interface FaceActions {
  viewing(): Viewing | undefined;
  timeline(): Timeline | undefined;
  seek(to_s: number): void;
  goLive(): void;
  togglePlay(): void;
  setMuted(muted: boolean): void;
  setVolume(level: number): void;
  setLatency(mode: LatencyMode): void;
  fixQuality(id: string | undefined): void;
  /** Have the statistics shown anew. */
  report(): void;
}

const FRAME_S = 1 / 30;

function sheet(): CSSStyleSheet {
  const styles = new CSSStyleSheet();
  styles.replaceSync(STYLES);
  return styles;
}

export class Face {
  private readonly controls: Controls;
  private language: Language = "en";
  private isMuted = true;
  private level = 1;
  private loading: AbortController | undefined;
  private stale: HTMLElement | undefined;
  /** The viewing that the remembered choice of captions was made in. */
  private captioned: Viewing | undefined;

  constructor(
    root: ShadowRoot,
    private readonly host: HTMLElement,
    private readonly act: FaceActions,
  ) {
    root.adoptedStyleSheets = [sheet()];
    this.controls = new Controls(root, host, {
      togglePlay: () => act.togglePlay(),
      toggleMute: () => act.setMuted(!this.isMuted),
      volume: (level) => act.setVolume(level),
      seek: (to_s) => act.seek(to_s),
      goLive: () => act.goLive(),
      toggleCaptions: () => this.toggleCaptions(),
      pip: () => void this.pip(),
      fullscreen: () => void this.toggleFullscreen(),
      quality: (id) => act.fixQuality(id),
      latency: (mode) => act.setLatency(mode),
      audio: (id) => act.viewing()?.menus.chooseAudio(id),
      captions: (id) => this.chooseCaptions(id),
      rate: (rate) => act.viewing()?.setRate(rate),
      statistics: () => this.toggleStatistics(),
    });
    host.addEventListener("keydown", (event) => this.onKey(event));
    host.addEventListener("fullscreenchange", () => this.controls.setFullscreen(document.fullscreenElement === host));
  }

  setLanguage(language: Language): void {
    this.language = language;
    this.host.setAttribute("aria-label", this.say("player"));
    this.controls.setLanguage(language);
    this.controls.setFullscreen(document.fullscreenElement === this.host);
  }

  showSurface(surface: HTMLElement): void {
    const first = this.stale === undefined;
    this.controls.showSurface(surface, first);
    this.stale = surface;
    this.showCaptions([]);
  }

  showPlaying(playing: boolean): void {
    this.controls.setPlaying(playing);
  }

  showState(state: PlayerState, detail: string, hadPicture: boolean): void {
    const text = this.messageFor(state, detail, hadPicture);
    this.controls.showMessage(text, state === "connecting" || state === "waiting");
    this.controls.setPlaying(state !== "paused");
    this.controls.announce(text ?? (state === "playing" ? this.say("playing") : ""));
    // From now on the transport that plays is the only one to be seen.
    if (state === "playing" && this.stale) this.controls.showSurface(this.stale, true);
  }

  showSwitch(edge: string, gap_ms: number): void {
    this.controls.showToast(this.say("switched", { edge, gap: gap_ms }));
  }

  showCaptions(lines: readonly string[]): void {
    this.controls.captions.show(lines);
  }

  showMuted(muted: boolean, offer: boolean, level: number): void {
    this.isMuted = muted;
    this.level = level;
    this.controls.setMuted(muted, offer, level);
  }

  showMenus(mode: LatencyMode): void {
    const viewing = this.act.viewing();
    const timeline = this.act.timeline();
    const menus = viewing?.menus;
    if (viewing) this.recallCaptions(viewing);
    this.controls.setMenu({
      qualities: menus?.qualities ?? [],
      quality: menus?.quality,
      latency: timeline?.live === false ? undefined : mode,
      audioTracks: menus?.audioTracks ?? [],
      audioTrack: menus?.audioTrack,
      textTracks: menus?.textTracks ?? [],
      textTrack: menus?.textTrack,
      rate: timeline?.rate,
    });
  }

  update(stats: PlayerStats | undefined): void {
    if (stats) this.controls.update(stats, this.act.timeline());
  }

  loadThumbnails(url: string | null): void {
    this.loading?.abort();
    this.controls.seekBar.thumbnails = undefined;
    if (!url) return;
    this.loading = new AbortController();
    void Thumbnails.load(url, this.loading.signal).then((found) => (this.controls.seekBar.thumbnails = found));
  }

  private say(key: WordKey, values?: Record<string, string | number>): string {
    return word(this.language, key, values);
  }

  private messageFor(state: PlayerState, detail: string, hadPicture: boolean): string | undefined {
    if (state === "playing" || state === "idle") return undefined;
    if (detail.startsWith("codec ")) return `${this.say("undecodable")} (${detail.slice(6)})`;
    if (isWord(detail)) return this.say(detail);
    if (state === "failed") return detail;
    return this.say(state === "waiting" && hadPicture ? "interrupted" : state);
  }

  private toggleCaptions(): void {
    const menus = this.act.viewing()?.menus;
    if (!menus || menus.textTracks.length === 0) return;
    const on = menus.textTrack === undefined;
    this.chooseCaptions(on ? this.preferredText(menus) : undefined);
    this.controls.showToast(this.say(on ? "captions_on" : "captions_off"));
  }

  private preferredText({ textTracks }: Menus): string | undefined {
    return (preferredTrack(textTracks, recallLanguage() || this.language) ?? textTracks[0])?.id;
  }

  /** By the viewer, who wants the same the next time. */
  private chooseCaptions(id: string | undefined): void {
    const menus = this.act.viewing()?.menus;
    if (!menus) return;
    const chosen = menus.textTracks.find((track) => track.id === id);
    rememberLanguage(chosen === undefined ? undefined : chosen.language || this.language);
    menus.chooseText(id);
  }

  /** What the viewer chose the last time, once in each viewing, when it is on offer. */
  private recallCaptions(viewing: Viewing): void {
    const { menus } = viewing;
    if (viewing === this.captioned || menus.textTracks.length === 0) return;
    this.captioned = viewing;
    const wanted = recallLanguage();
    const found = wanted === undefined ? undefined : preferredTrack(menus.textTracks, wanted);
    if (found && menus.textTrack === undefined) menus.chooseText(found.id);
  }

  private async pip(): Promise<void> {
    const surface = this.act.viewing()?.surface;
    // A browser may refuse, as on a page that was not touched yet; the button can be pressed again.
    if (surface) await togglePip(surface).catch(() => undefined);
  }

  private async toggleFullscreen(): Promise<void> {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await this.host.requestFullscreen().catch(() => undefined);
  }

  private toggleStatistics(): void {
    if (this.controls.toggleStatistics()) this.act.report();
  }

  private onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.composedPath()[0];
    const onControl = target instanceof HTMLElement && target !== this.host && target.matches("button, select, input");
    if (onKey(event.key, onControl, this.keyActions())) event.preventDefault();
  }

  private keyActions(): KeyActions {
    const line = this.act.timeline();
    const seek = (to_s: number | undefined): boolean => {
      if (to_s === undefined) return false;
      this.act.seek(to_s);
      return true;
    };
    return {
      togglePlay: () => this.act.togglePlay(),
      toggleMute: () => this.act.setMuted(!this.isMuted),
      toggleFullscreen: () => void this.toggleFullscreen(),
      toggleStatistics: () => this.toggleStatistics(),
      toggleCaptions: () => this.toggleCaptions(),
      closeMenu: () => this.controls.closeMenu(),
      volumeBy: (step) => this.act.setVolume((this.isMuted ? 0 : this.level) + step),
      seekBy: (seconds) => seek(line && line.position_s + seconds),
      seekToShare: (share) => seek(line && line.start_s + share * (line.end_s - line.start_s)),
      step: (frames) => seek(line && line.position_s + frames * FRAME_S),
    };
  }
}
