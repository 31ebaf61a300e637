/** The player's controls: plain DOM, native elements, every action by keyboard and with a name for screen readers. */

import type { VideoRendition } from "../moq/catalog";
import type { PlayerStats } from "../stats";
import { word, type Language, type WordKey } from "./words";

export type LatencyMode = "ultra-low" | "low" | "smooth";

export const LATENCY_MODES_MS: Record<LatencyMode, number> = { "ultra-low": 100, low: 500, smooth: 1500 };

export interface ControlActions {
  togglePlay(): void;
  toggleMute(): void;
  volume(level: number): void;
  quality(track: string | undefined): void;
  latency(mode: LatencyMode): void;
  fullscreen(): void;
  statistics(): void;
}

const ICONS = {
  play: "M7 4v16l13-8z",
  pause: "M7 5v14M17 5v14",
  sound: "M4 9v6h4l5 4V5L8 9zM16.5 8.5a5 5 0 0 1 0 7M19 6a9 9 0 0 1 0 12",
  silence: "M4 9v6h4l5 4V5L8 9zM17 9l5 6M22 9l-5 6",
  full: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  chart: "M4 20V10M10 20V4M16 20v-7M22 20H2",
};

function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

function icon(path: string): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

function setIcon(button: HTMLElement, path: string): void {
  button.replaceChildren(icon(path));
}

export class Controls {
  readonly canvas = element("canvas", { tabIndex: -1 });
  private readonly text = element("div");
  private readonly message = element("div", { className: "message" }, element("div", { className: "spinner" }), this.text);
  private readonly sound = element("button", { className: "sound", type: "button" });
  private readonly toast = element("div", { className: "toast" });
  private readonly stats = element("pre", { className: "stats" });
  private readonly play = element("button", { type: "button" });
  private readonly mute = element("button", { type: "button" });
  private readonly volume = element("input", { type: "range", min: "0", max: "1", step: "0.05", value: "1", className: "volume" });
  private readonly liveText = element("span");
  private readonly live = element("div", { className: "live" }, element("i"), this.liveText);
  private readonly latency = element("select", { className: "latency" });
  private readonly quality = element("select", { className: "quality" });
  private readonly statistics = element("button", { type: "button", className: "statistics" });
  private readonly full = element("button", { type: "button" });
  private readonly bar = element(
    "div",
    { className: "bar" },
    this.play, this.mute, this.volume, this.live, element("div", { className: "space" }),
    this.latency, this.quality, this.statistics, this.full,
  );
  private toastTimer: ReturnType<typeof setTimeout> | undefined;
  private language: Language = "en";

  constructor(
    root: ShadowRoot,
    actions: ControlActions,
  ) {
    this.message.setAttribute("role", "status");
    this.toast.setAttribute("role", "status");
    this.canvas.setAttribute("aria-hidden", "true");
    root.append(this.canvas, this.message, this.toast, this.stats, this.sound, this.bar);
    this.play.onclick = () => actions.togglePlay();
    this.mute.onclick = this.sound.onclick = () => actions.toggleMute();
    this.volume.oninput = () => actions.volume(Number(this.volume.value));
    this.quality.onchange = () => actions.quality(this.quality.value || undefined);
    this.latency.onchange = () => actions.latency(this.latency.value as LatencyMode);
    this.statistics.onclick = () => actions.statistics();
    this.full.onclick = () => actions.fullscreen();
    setIcon(this.full, ICONS.full);
    setIcon(this.statistics, ICONS.chart);
    this.canvas.onclick = () => actions.togglePlay();
    this.canvas.ondblclick = () => actions.fullscreen();
  }

  setLanguage(language: Language, mode: LatencyMode): void {
    this.language = language;
    const say = (key: WordKey): string => word(language, key);
    this.name(this.volume, "volume");
    this.name(this.quality, "quality");
    this.name(this.latency, "latency");
    this.name(this.statistics, "statistics");
    this.name(this.full, "fullscreen");
    const modes: [LatencyMode, WordKey][] = [["ultra-low", "ultra_low"], ["low", "low"], ["smooth", "smooth"]];
    this.latency.replaceChildren(
      ...modes.map(([value, key]) => element("option", { value, textContent: say(key), selected: value === mode })),
    );
    this.sound.replaceChildren(icon(ICONS.silence), say("tap_unmute"));
    this.liveText.textContent = say("live");
  }

  setPlaying(playing: boolean): void {
    setIcon(this.play, playing ? ICONS.pause : ICONS.play);
    this.name(this.play, playing ? "pause" : "play");
    if (playing) this.bar.removeAttribute("data-on");
    else this.bar.setAttribute("data-on", "");
  }

  /** @param offer whether to show the large button that brings sound */
  setMuted(muted: boolean, offer: boolean, level: number): void {
    setIcon(this.mute, muted ? ICONS.silence : ICONS.sound);
    this.name(this.mute, muted ? "unmute" : "mute");
    this.sound.toggleAttribute("data-on", muted && offer);
    this.volume.value = String(muted ? 0 : level);
  }

  setQualities(renditions: readonly VideoRendition[], fixed: string | undefined): void {
    const options = renditions.map((r) =>
      element("option", { value: r.track, textContent: qualityName(r), selected: r.track === fixed }),
    );
    const auto = element("option", { value: "", textContent: word(this.language, "auto"), selected: !fixed });
    this.quality.replaceChildren(auto, ...options);
  }

  /** @param spinning whether the player itself is doing something about it */
  showMessage(text: string | undefined, spinning: boolean): void {
    this.message.toggleAttribute("data-on", text !== undefined);
    this.message.toggleAttribute("data-still", !spinning);
    if (text !== undefined) this.text.textContent = text;
  }

  showToast(text: string): void {
    clearTimeout(this.toastTimer);
    this.toast.textContent = text;
    this.toast.setAttribute("data-on", "");
    this.toastTimer = setTimeout(() => this.toast.removeAttribute("data-on"), 4000);
  }

  toggleStatistics(): boolean {
    return this.stats.toggleAttribute("data-on");
  }

  update(stats: PlayerStats): void {
    const on = stats.state === "playing";
    this.live.toggleAttribute("data-on", on);
    const latency = on && stats.latency_ms > 0 && stats.latency_ms < 60_000 ? ` ${(stats.latency_ms / 1000).toFixed(1)} s` : "";
    this.liveText.textContent = word(this.language, "live") + latency;
    if (this.stats.hasAttribute("data-on")) this.stats.textContent = describe(stats);
  }

  private name(node: HTMLElement, key: WordKey): void {
    node.setAttribute("aria-label", word(this.language, key));
    node.title = word(this.language, key);
  }
}

function qualityName(rendition: VideoRendition): string {
  const size = rendition.height > 0 ? `${rendition.height}p` : rendition.track;
  return rendition.bitrate_bps > 0 ? `${size} ${(rendition.bitrate_bps / 1e6).toFixed(1)}M` : size;
}

function describe(stats: PlayerStats): string {
  const ms = (value: number): string => `${Math.round(value)} ms`;
  return [
    `edge      ${stats.edge_site || "-"} ${stats.edge}`,
    `spare     ${stats.warm_edge || "-"}`,
    `picture   ${stats.width}x${stats.height} ${stats.fps.toFixed(1)} fps ${(stats.bitrate_bps / 1e6).toFixed(2)} Mbit/s`,
    `latency   ${ms(stats.latency_ms)} (buffer ${ms(stats.buffer_ms)})`,
    `startup   ${stats.startup_ms === undefined ? "-" : ms(stats.startup_ms)}`,
    `gap max   ${ms(stats.gap_ms_max)} delivered, ${ms(stats.paint_gap_ms_max)} painted`,
    `stalls    ${stats.stalls}  switches ${stats.switches}  skipped ${stats.frames_skipped}  dup ${stats.frames_duplicate}`,
    `sound     ${stats.muted ? "muted" : `${ms(stats.audio_buffer_ms)} buffered, ${stats.audio_underruns} underruns`}`,
  ].join("\n");
}
