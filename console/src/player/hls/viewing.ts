/**
 * A viewing over HLS: hls.js on a media element, or the media element alone where the browser plays HLS itself.
 *
 * Every node serves the same names, so another node takes over inside the loader and the picture goes on from the
 * buffer. What even that does not cure is reported upwards, where another transport is tried.
 */

import type Hls from "hls.js";
import type { ErrorData } from "hls.js";
import type { PlayerState, PlayerStats, Protocol } from "../stats";
import type { HlsAddress, WatchTicket } from "../ticket";
import type { LatencyMode, Timeline, Viewing, ViewingOptions } from "../viewing";
import { placeOf } from "./airtime";
import { HlsEdges } from "./edges";
import { LiveFollower } from "./follower";
import { segmentSyncOf } from "./latency";
import { loadLibrary } from "./library";
import { loaderOver } from "./loader";
import { HlsMenus } from "./menus";
import { HlsMeters } from "./meters";
import { settingsFor } from "./settings";
import { TextTracks } from "./text";

/** A window shorter than this is the live edge and its reserve, not something to wind back in. */
const WINDOW_S = 30;
/** Nothing on the screen this long after the start: give up, unless something is still coming in... */
const START_MS = 8000;
/** ...that does not take this long altogether. */
const START_MAX_MS = 20_000;
/** Fatal errors in a row after which to give up. */
const MAX_FATAL = 4;
/** As often as this within a minute, in spite of the widest cushion: parts are too much here, whole segments may do. */
const MAX_STALLS = 4;
const STALL_WINDOW_MS = 60_000;
/** Of the past: nobody is brought back to the live edge against his will. */
const PAST_SETTINGS = { liveMaxLatencyDurationCount: Infinity };
/** A segment, and a bit: nearer than this is where the viewer wanted to be. */
const PLACE_S = 3;

export class HlsViewing implements Viewing {
  readonly surface = document.createElement("video");
  private readonly edges: HlsEdges;
  readonly menus: HlsMenus;
  private readonly text: TextTracks;
  private readonly meters = new HlsMeters();
  /** With parts only. */
  private readonly follower: LiveFollower | undefined;
  private readonly stop = new AbortController();
  private hls: Hls | undefined;
  private state: PlayerState = "connecting";
  private fatal = 0;
  private stalls: number[] = [];
  private startup_ms: number | undefined;
  private page_to_paint_ms: number | undefined;
  private switches = 0;
  private readonly opened_ms = performance.now();
  private timer: ReturnType<typeof setInterval> | undefined;
  private paused = false;

  constructor(
    readonly protocol: Protocol,
    addresses: readonly HlsAddress[],
    private readonly options: ViewingOptions,
  ) {
    this.edges = new HlsEdges(addresses, () => performance.now());
    this.text = new TextTracks(this.surface, () => options.events.menus(), (lines) => options.events.captions(lines));
    if (protocol === "ll-hls") this.follower = new LiveFollower(this.surface, options.latency);
    this.menus = new HlsMenus(() => this.hls, this.text, () => options.events.menus());
    Object.assign(this.surface, { muted: true, playsInline: true, preload: "auto", disableRemotePlayback: false });
    this.surface.setAttribute("playsinline", "");
  }

  start(): void {
    const { signal } = this.stop;
    const on = (name: string, act: () => void): void => this.surface.addEventListener(name, act, { signal });
    on("playing", () => this.setState("playing"));
    on("waiting", () => this.onWaiting());
    on("seeked", () => this.follower?.restart());
    on("ended", () => this.setState("paused"));
    on("error", () => this.onNativeError());
    on("ratechange", () => this.options.events.menus());
    // A still live playlist is told neither by events nor by errors.
    this.timer = setInterval(() => this.judge(), 250);
    this.watchPaints();
    void this.open();
  }

  close(): void {
    this.stop.abort();
    clearInterval(this.timer);
    this.text.close();
    this.hls?.destroy();
    this.hls = undefined;
    this.surface.pause();
    this.surface.removeAttribute("src");
    this.surface.load();
  }

  ticket(ticket: WatchTicket): void {
    if (ticket.hls && ticket.hls.length > 0) this.edges.replace(ticket.hls);
  }

  get hasAudio(): boolean {
    return this.meters.painted > 0; // media elements do not tell before they play; a silent stream gains a button at worst
  }

  pause(): void {
    this.paused = true;
    this.meters.paints.interrupt();
    this.surface.pause();
    if (this.timeline() === undefined) this.hls?.stopLoad();
    this.setState("paused");
  }

  resume(): void {
    this.paused = false;
    this.follower?.restart();
    this.setState("connecting");
    this.hls?.startLoad();
    // Without a window to wind back in, going on means: at the live edge.
    const edge = this.hls?.liveSyncPosition;
    const past = this.options.from_air_s !== undefined || this.timeline() !== undefined;
    if (!past && edge !== undefined && edge !== null) this.surface.currentTime = edge;
    else if (this.surface.ended) this.surface.currentTime = 0;
    void this.play();
  }

  async setMuted(muted: boolean): Promise<boolean> {
    this.surface.muted = muted;
    if (!this.paused) await this.play();
    return !this.surface.muted;
  }

  setVolume(level: number): void {
    this.surface.volume = level;
  }

  /** When what is shown was on the air, in seconds since the Unix epoch; undefined where the playlist does not tell. */
  get airtime_s(): number | undefined {
    const at_ms = this.hls?.playingDate?.getTime();
    return at_ms === undefined ? undefined : at_ms / 1000;
  }

  /** Go to what was on the air then. */
  seekAirtime(to_s: number): void {
    const place_s = placeOf(this.hls?.latestLevelDetails?.fragments ?? [], to_s);
    if (place_s === undefined) return;
    this.meters.paints.interrupt();
    this.surface.currentTime = place_s;
  }

  setLatency(mode: LatencyMode): void {
    if (this.options.from_air_s !== undefined) return; // the past has no live edge to be near to
    if (this.follower) this.follower.setLatency(mode);
    else if (this.hls) Object.assign(this.hls.config, segmentSyncOf(mode));
  }

  timeline(): Timeline | undefined {
    const { seekable, currentTime, playbackRate, duration } = this.surface;
    if (seekable.length === 0) return undefined;
    const start_s = seekable.start(0);
    const live = this.hls?.latestLevelDetails?.live ?? !Number.isFinite(duration);
    const end_s = live ? (this.hls?.liveSyncPosition ?? seekable.end(seekable.length - 1)) : duration;
    if (live && end_s - start_s < WINDOW_S) return undefined;
    return { start_s, end_s, position_s: currentTime, live, rate: playbackRate };
  }

  seek(to_s: number): void {
    const line = this.timeline();
    if (!line) return;
    this.meters.paints.interrupt();
    this.surface.currentTime = Math.min(Math.max(to_s, line.start_s), line.end_s);
  }

  setRate(rate: number): void {
    this.follower?.setRate(rate);
    this.surface.playbackRate = rate;
  }

  resetGaps(): void {
    this.meters.paints.resetLongest();
  }

  stats(): PlayerStats {
    return {
      state: this.state,
      protocol: this.protocol,
      edge: this.edges.current?.url ?? "",
      edge_node_id: this.edges.current?.node_id ?? "",
      edge_site: "",
      warm_edge: "",
      rtt_ms: undefined,
      switches: this.switches,
      startup_ms: this.startup_ms,
      page_to_paint_ms: this.page_to_paint_ms,
      ...this.meters.read(this.surface, this.hls),
    };
  }

  private async open(): Promise<void> {
    const url = this.edges.current?.url;
    if (url === undefined) {
      this.giveUp("hls_no_node");
      return;
    }
    try {
      const library = await loadLibrary();
      if (this.stop.signal.aborted) return;
      if (library.isSupported()) this.attach(library, url);
      else this.surface.src = url;
    } catch {
      // The library could not be fetched; Safari does without.
      if (this.surface.canPlayType("application/vnd.apple.mpegurl") === "") {
        this.giveUp("hls_no_library");
        return;
      }
      this.surface.src = url;
    }
    if (!this.paused) await this.play();
  }

  private attach(library: typeof Hls, url: string): void {
    const loader = loaderOver(library, this.edges, {
      moved: (from) => this.onMoved(from),
      received: (bytes) => this.meters.bits.add(bytes * 8, performance.now()),
      trouble: (word) => this.options.events.trouble(word),
    });
    const { latency, from_place_s } = this.options;
    const past = from_place_s === undefined ? {} : { ...PAST_SETTINGS, startPosition: Math.max(0.1, from_place_s) };
    const hls = new library({ ...settingsFor(this.protocol, latency), ...past, loader });
    this.hls = hls;
    this.follower?.attach(library, hls);
    hls.on(library.Events.ERROR, (_name, data) => this.onError(library, data));
    const { MANIFEST_PARSED, AUDIO_TRACKS_UPDATED, SUBTITLE_TRACKS_UPDATED, LEVEL_SWITCHED } = library.Events;
    for (const event of [MANIFEST_PARSED, AUDIO_TRACKS_UPDATED, SUBTITLE_TRACKS_UPDATED, LEVEL_SWITCHED]) {
      hls.on(event, () => this.options.events.menus());
    }
    hls.on(library.Events.MANIFEST_PARSED, () => {
      this.menus.setMaxHeight(this.options.max_height);
      this.menus.applyQuality();
    });
    hls.loadSource(url);
    hls.attachMedia(this.surface);
  }

  private async play(): Promise<void> {
    try {
      await this.surface.play();
    } catch (error) {
      // Browsers refuse sound without a gesture: then silently, with the button that brings sound.
      if (!(error instanceof DOMException) || error.name !== "NotAllowedError" || this.surface.muted) return;
      this.surface.muted = true;
      await this.surface.play().catch(() => undefined);
      this.options.events.menus();
    }
  }

  private onMoved(from: string): void {
    this.switches++;
    const gap_ms = Math.round(this.meters.paints.read(performance.now()).open_ms);
    this.options.events.switched({ from, to: this.edges.current?.node_id ?? "", gap_ms });
    this.options.events.wantsTicket();
  }

  private onError(library: typeof Hls, data: ErrorData): void {
    if (this.stop.signal.aborted || !data.fatal) return;
    this.options.events.trouble(`hls_${data.type}`);
    this.fatal++;
    if (this.fatal >= MAX_FATAL && this.options.hasAlternative) {
      this.giveUp("hls_errors");
      return;
    }
    this.setState("waiting");
    if (data.type === library.ErrorTypes.MEDIA_ERROR) {
      this.hls?.recoverMediaError();
      return;
    }
    this.options.events.wantsTicket();
    const url = this.edges.rewrite(this.edges.current?.url ?? "");
    const wait_ms = Math.min(500 * 2 ** this.fatal, 10_000);
    setTimeout(() => {
      if (this.stop.signal.aborted || !this.hls) return;
      if (this.hls.levels.length === 0) this.hls.loadSource(url);
      else this.hls.startLoad();
    }, wait_ms);
  }

  private onNativeError(): void {
    if (this.hls || this.stop.signal.aborted || !this.surface.getAttribute("src")) return;
    this.options.events.trouble("hls_native");
    this.fatal++;
    if (this.fatal >= MAX_FATAL * this.edges.count && this.options.hasAlternative) {
      this.giveUp("hls_errors");
      return;
    }
    this.edges.failed(this.surface.src);
    const url = this.edges.current?.url;
    setTimeout(() => {
      if (url !== undefined && !this.stop.signal.aborted) this.surface.src = url;
    }, 1000);
  }

  private onWaiting(): void {
    if (this.surface.seeking || this.meters.painted === 0) return;
    const now_ms = performance.now();
    this.stalls = [...this.stalls.filter((at) => now_ms - at < STALL_WINDOW_MS), now_ms];
    this.follower?.stalled();
    if (this.follower?.exhausted && this.stalls.length >= MAX_STALLS && this.options.hasAlternative) this.giveUp("hls_stalls");
  }

  private judge(): void {
    if (this.paused) return;
    // On a hidden page, too: there the sound goes on, and a rate that nobody took back would use up what is buffered.
    if (this.meters.painted > 0) this.follower?.tick();
    if (document.hidden) return;
    if (this.meters.painted === 0) {
      this.judgeStart(performance.now());
      return;
    }
    const still_ms = this.meters.paints.read(performance.now()).open_ms;
    if (still_ms > 2000 && !this.surface.ended && this.state === "playing") this.setState("waiting");
  }

  private judgeStart(now_ms: number): void {
    const waited_ms = now_ms - this.opened_ms;
    const coming = this.meters.bits.perSecond(now_ms) > 0 && waited_ms < START_MAX_MS;
    if (this.options.hasAlternative && waited_ms >= START_MS && !coming) this.giveUp("hls_no_picture");
  }

  private watchPaints(): void {
    const painted: VideoFrameRequestCallback = () => {
      if (this.stop.signal.aborted) return;
      const now_ms = performance.now();
      if (this.meters.painted++ === 0) this.onFirstPaint(now_ms);
      this.fatal = 0;
      this.meters.fps.add(1, now_ms);
      if (document.hidden || this.paused || this.surface.seeking) this.meters.paints.interrupt();
      this.meters.paints.mark(now_ms);
      if (!this.paused) this.setState("playing");
      this.surface.requestVideoFrameCallback(painted);
    };
    this.surface.requestVideoFrameCallback(painted);
  }

  private onFirstPaint(now_ms: number): void {
    this.startup_ms = now_ms - this.options.started_ms;
    this.page_to_paint_ms = now_ms;
    this.follower?.restart();
    const { from_air_s } = this.options;
    // Where something is missing in the recording, the place that was guessed from the time is too far on.
    if (from_air_s !== undefined && Math.abs((this.airtime_s ?? from_air_s) - from_air_s) > PLACE_S) this.seekAirtime(from_air_s);
    this.options.events.firstPaint(this.startup_ms);
    this.options.events.menus();
  }

  private setState(state: PlayerState, detail = ""): void {
    if (this.state === state || this.stop.signal.aborted) return;
    this.state = state;
    this.options.events.state(state, detail);
  }

  private giveUp(word: string): void {
    if (this.stop.signal.aborted) return;
    this.options.events.gaveUp(word);
  }
}
