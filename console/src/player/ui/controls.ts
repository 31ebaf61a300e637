/** The player's face: the stage for the picture, messages, and the bar. Plain DOM, native controls, all by keyboard. */

import type { PlayerStats } from "../stats";
import type { Timeline } from "../viewing";
import { Captions } from "./captions";
import { element, icon, ICONS, setIcon } from "./dom";
import { canPip } from "./pip";
import { SeekBar } from "./seek-bar";
import { SettingsMenu, type MenuActions, type MenuState } from "./settings-menu";
import { describe } from "./statistics";
import { word, type Language, type WordKey } from "./words";

export interface ControlActions extends MenuActions {
  togglePlay(): void;
  toggleMute(): void;
  volume(level: number): void;
  seek(to_s: number): void;
  goLive(): void;
  toggleCaptions(): void;
  pip(): void;
  fullscreen(): void;
}

const TOAST_MS = 4000;
/** The bar goes away when nothing moved for this long. */
const IDLE_MS = 3000;
/** Nearer to the edge than this is live. */
const LIVE_S = 6;

export class Controls {
  readonly menu: SettingsMenu;
  readonly seekBar: SeekBar;
  readonly captions = new Captions();
  private readonly stage = element("div", { className: "stage" });
  private readonly text = element("div");
  private readonly message = element("div", { className: "message" }, element("div", { className: "spinner" }), this.text);
  private readonly sound = element("button", { className: "sound", type: "button" });
  private readonly toast = element("div", { className: "toast" });
  private readonly announcer = element("div", { className: "announcer" });
  private readonly stats = element("pre", { className: "stats" });
  private readonly play = element("button", { type: "button", className: "play" });
  private readonly mute = element("button", { type: "button", className: "mute" });
  private readonly volume = element("input", { type: "range", min: "0", max: "1", step: "0.05", value: "1", className: "volume" });
  private readonly liveText = element("span");
  private readonly live = element("button", { type: "button", className: "live" }, element("i"), this.liveText);
  private readonly place = element("span", { className: "place", hidden: true });
  private readonly captionsButton = element("button", { type: "button", className: "cc", hidden: true });
  private readonly settings = element("button", { type: "button", className: "settings" });
  private readonly pip = element("button", { type: "button", className: "pip", hidden: !canPip() });
  private readonly full = element("button", { type: "button", className: "full" });
  private readonly bar = element("div", { className: "bar" });
  private toastTimer: ReturnType<typeof setTimeout> | undefined;
  private idleTimer: ReturnType<typeof setTimeout> | undefined;
  private language: Language = "en";

  constructor(root: ShadowRoot, host: HTMLElement, actions: ControlActions) {
    this.menu = new SettingsMenu(actions);
    this.seekBar = new SeekBar((to_s) => actions.seek(to_s));
    const row = element("div", { className: "row" }, this.play, this.mute, this.volume, this.live, this.place,
      element("div", { className: "space" }), this.captionsButton, this.settings, this.pip, this.full);
    this.bar.append(this.seekBar.preview, this.seekBar.slider, row);
    this.announcer.setAttribute("role", "status");
    this.bar.part.add("bar");
    this.message.part.add("message");
    this.sound.part.add("sound");
    root.append(this.stage, this.captions.box, this.message, this.toast, this.stats, this.announcer, this.sound, this.bar, this.menu.panel);
    this.play.onclick = () => actions.togglePlay();
    this.mute.onclick = this.sound.onclick = () => actions.toggleMute();
    this.volume.oninput = () => actions.volume(Number(this.volume.value));
    this.live.onclick = () => actions.goLive();
    this.captionsButton.onclick = () => actions.toggleCaptions();
    this.settings.onclick = () => this.toggleMenu();
    this.settings.setAttribute("aria-controls", "menu");
    this.pip.onclick = () => actions.pip();
    this.full.onclick = () => actions.fullscreen();
    this.stage.onclick = () => this.closeMenu() || actions.togglePlay();
    this.stage.ondblclick = () => actions.fullscreen();
    for (const name of ["pointermove", "pointerdown", "keydown", "focusin"]) host.addEventListener(name, () => this.wake());
    setIcon(this.settings, ICONS.settings);
    setIcon(this.captionsButton, ICONS.captions);
    setIcon(this.pip, ICONS.pip);
    this.setFullscreen(false);
    this.toggleMenu(false);
  }

  setLanguage(language: Language): void {
    this.language = language;
    this.name(this.volume, "volume");
    this.name(this.settings, "settings");
    this.name(this.captionsButton, "captions");
    this.name(this.pip, "pip");
    this.name(this.seekBar.slider, "seek");
    this.name(this.live, "go_live");
    this.sound.replaceChildren(icon(ICONS.silence), word(language, "tap_unmute"));
    this.liveText.textContent = this.seekBar.liveName = word(language, "live");
  }

  /** The picture of another transport; the old one stays below until there is something to see of the new one. */
  showSurface(surface: HTMLElement, at_once: boolean): void {
    surface.setAttribute("aria-hidden", "true");
    if (at_once) this.stage.replaceChildren(surface);
    else this.stage.prepend(surface);
  }

  setPlaying(playing: boolean): void {
    setIcon(this.play, playing ? ICONS.pause : ICONS.play);
    this.name(this.play, playing ? "pause" : "play");
    this.bar.toggleAttribute("data-on", !playing);
  }

  /** @param offer whether to show the large button that brings sound */
  setMuted(muted: boolean, offer: boolean, level: number): void {
    setIcon(this.mute, muted ? ICONS.silence : ICONS.sound);
    this.name(this.mute, muted ? "unmute" : "mute");
    this.sound.toggleAttribute("data-on", muted && offer);
    this.volume.value = String(muted ? 0 : level);
  }

  setFullscreen(on: boolean): void {
    setIcon(this.full, on ? ICONS.shrink : ICONS.full);
    this.name(this.full, on ? "leave_fullscreen" : "fullscreen");
  }

  setMenu(state: MenuState): void {
    this.menu.show(state, this.language);
    this.captionsButton.hidden = state.textTracks.length === 0;
    this.captionsButton.setAttribute("aria-pressed", String(state.textTrack !== undefined));
  }

  /** Open or close the menu. */
  toggleMenu(open = this.menu.panel.hidden): void {
    this.menu.panel.hidden = !open;
    this.settings.setAttribute("aria-expanded", String(open));
    if (open) this.menu.panel.querySelector<HTMLElement>("label:not([hidden]) :is(select, input)")?.focus();
  }

  /** @returns whether it was open */
  closeMenu(): boolean {
    if (this.menu.panel.hidden) return false;
    this.toggleMenu(false);
    this.settings.focus();
    return true;
  }

  /** @param spinning whether the player itself is doing something about it */
  showMessage(text: string | undefined, spinning: boolean): void {
    this.message.toggleAttribute("data-on", text !== undefined);
    this.message.toggleAttribute("data-still", !spinning);
    if (text !== undefined) this.text.textContent = text;
  }

  /** For screen readers only. */
  announce(text: string): void {
    if (this.announcer.textContent !== text) this.announcer.textContent = text;
  }

  showToast(text: string): void {
    clearTimeout(this.toastTimer);
    this.toast.textContent = text;
    this.toast.setAttribute("data-on", "");
    this.announce(text);
    this.toastTimer = setTimeout(() => this.toast.removeAttribute("data-on"), TOAST_MS);
  }

  toggleStatistics(): boolean {
    const on = this.stats.toggleAttribute("data-on");
    this.menu.showStatistics(on);
    return on;
  }

  update(stats: PlayerStats, timeline: Timeline | undefined): void {
    const live = timeline?.live ?? true;
    const behind = timeline?.live === true && timeline.end_s - timeline.position_s >= LIVE_S;
    const atEdge = stats.state === "playing" && !behind;
    this.live.toggleAttribute("data-on", live && atEdge);
    this.live.toggleAttribute("data-recorded", !live);
    this.live.disabled = !timeline?.live;
    this.liveText.textContent = live ? this.liveLabel(stats, behind) : this.places(timeline);
    this.place.hidden = !behind;
    if (behind) this.place.textContent = this.seekBar.nameOf(timeline.position_s);
    this.seekBar.show(timeline);
    if (this.stats.hasAttribute("data-on")) this.stats.textContent = describe(stats);
  }

  private liveLabel(stats: PlayerStats, behind: boolean): string {
    const known = !behind && stats.state === "playing" && stats.latency_ms > 0 && stats.latency_ms < 60_000;
    return word(this.language, "live") + (known ? ` ${(stats.latency_ms / 1000).toFixed(1)} s` : "");
  }

  private places(timeline: Timeline | undefined): string {
    return timeline ? `${this.seekBar.nameOf(timeline.position_s)} / ${this.seekBar.nameOf(timeline.end_s)}` : "";
  }

  private wake(): void {
    clearTimeout(this.idleTimer);
    this.bar.setAttribute("data-awake", "");
    this.idleTimer = setTimeout(() => this.bar.removeAttribute("data-awake"), IDLE_MS);
  }

  private name(node: HTMLElement, key: WordKey): void {
    node.setAttribute("aria-label", word(this.language, key));
    node.title = word(this.language, key);
  }
}
