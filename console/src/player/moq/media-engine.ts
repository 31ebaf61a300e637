/** Everything between arriving frames and what is seen and heard: queues, the playout clock, decoders, the choice. */

import { Adaptation, type Decision } from "../abr/adaptation";
import { LinkMonitor } from "../abr/link-monitor";
import { AudioPipeline } from "./audio-pipeline";
import { pickAudio, type AudioRendition, type Catalog, type VideoRendition } from "./catalog";
import { CaptionTrack, type Cue } from "./cues";
import type { TrackRequest } from "./edge-session";
import { EngineMeters } from "./engine-meters";
import type { QueuedFrame, Verdict } from "./frame-queue";
import { startGroup } from "./groups";
import { PlayoutClock } from "./playout-clock";
import { VideoPipeline } from "./video-pipeline";

export interface EngineEvents {
  /** The set of tracks to subscribe has changed. */
  tracksChanged(): void;
  firstPaint(): void;
  undecodable(codec: string): void;
  menus(): void;
  captions(lines: readonly string[]): void;
}

/** The first pictures are spent catching up with the open group; that says nothing about the size of the picture. */
const WARM_UP_FRAMES = 60;
/** Changes that nobody waits for: they begin with a group and fetch no backlog. */
const PATIENT = new Set(["overload", "room", "decoder", "gone"]);
/** Ticks come every 50 ms and paints more often. */
const BLOCKED_MS = 120;

export class MediaEngine {
  readonly choice = new Adaptation();
  readonly audio: AudioPipeline;
  readonly meters = new EngineMeters();
  private readonly link = new LinkMonitor();
  private readonly clock: PlayoutClock;
  private readonly video: VideoPipeline;
  private readonly captions: CaptionTrack;
  private catalog: Catalog = { video: [], audio: [], text: [] };
  private wantsAudio = false;
  private chosenAudio: string | undefined;
  private lastPaintAt = -Infinity;
  private lastAwake = -Infinity;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private target_ms: number,
    private readonly now: () => number,
    private readonly events: EngineEvents,
  ) {
    this.clock = new PlayoutClock(target_ms * 1000);
    this.video = new VideoPipeline(canvas, () => this.position(), {
      painted: (pts_us) => this.onPainted(pts_us),
      suffering: () => this.suffer(),
      handedOver: () => this.onHandedOver(),
      undecodable: (codec) => events.undecodable(codec),
    });
    this.captions = new CaptionTrack(() => this.position(), (lines) => events.captions(lines));
    this.audio = new AudioPipeline((at_ms) => this.clock.position(at_ms * 1000));
  }

  get renditions(): readonly VideoRendition[] {
    return this.catalog.video;
  }

  get hasAudio(): boolean {
    return this.catalog.audio.length > 0;
  }

  get current(): VideoRendition | undefined {
    return this.video.current;
  }

  get offered(): Catalog {
    return this.catalog;
  }

  get audioChoice(): string | undefined {
    return pickAudio(this.catalog.audio, this.chosenAudio)?.track;
  }

  get textChoice(): string | undefined {
    return this.captions.trackOf(this.catalog.text);
  }

  get lastPaintMs(): number {
    return this.lastPaintAt;
  }

  /** Pictures are missing because the player emptied the link's queue and waits for the next group. */
  get waitsOnPurpose(): boolean {
    return this.video.awaitsGroup;
  }

  setTarget(target_ms: number): void {
    this.target_ms = target_ms;
    this.clock.setTarget(target_ms * 1000);
    this.interrupt();
  }

  setMaxHeight(lines: number): void {
    this.choice.limit(lines);
    this.decide();
  }

  fix(track: string | undefined): void {
    this.choice.fix(track);
    this.decide();
    this.events.menus();
  }

  setCatalog(catalog: Catalog): void {
    // A catalog without any track is what a publisher shows for a moment while it starts; the old one plays on.
    if (catalog.video.length === 0 && catalog.audio.length === 0) return;
    const changed = JSON.stringify(catalog) !== JSON.stringify(this.catalog);
    this.catalog = catalog;
    this.decide();
    const running = catalog.video.find((rendition) => rendition.track === this.current?.track);
    if (running) this.video.update(running);
    const audio = pickAudio(catalog.audio, this.chosenAudio);
    if (this.wantsAudio && audio) void this.audio.replace(audio).then(() => this.events.tracksChanged());
    if (changed) this.events.menus();
    this.events.tracksChanged();
  }

  chooseAudio(track: string): void {
    this.chosenAudio = track;
    const audio = pickAudio(this.catalog.audio, track);
    if (this.wantsAudio && audio) void this.startAudio(audio);
    this.events.menus();
  }

  chooseText(track: string | undefined): void {
    this.captions.choose(track);
    this.events.menus();
    this.events.tracksChanged();
  }

  /** The browser cannot decode what it was given. Returns whether something else is left to try. */
  avoidUndecodable(): boolean {
    const bad = this.current;
    if (!bad || !this.choice.bar(bad, this.catalog.video)) return false;
    this.video.drop();
    this.decide();
    return true;
  }

  /** Every 50 ms: look at the link and choose. */
  tick(): void {
    this.noteBlocked();
    this.decide();
    this.captions.show();
  }

  /** What should be subscribed now. */
  wanted(): TrackRequest[] {
    const tracks: TrackRequest[] = this.video.tracks.map(({ rendition, start_group }) => ({
      track: rendition.track,
      kind: "video",
      container: rendition.container,
      ...(start_group === undefined ? {} : { start_group }),
    }));
    const audio = this.audio.current;
    if (audio) tracks.push({ track: audio.track, kind: "audio", container: audio.container });
    const text = this.textChoice;
    if (text !== undefined) tracks.push({ track: text, kind: "text", container: "legacy" });
    return tracks;
  }

  frame(request: TrackRequest, frame: QueuedFrame): Verdict {
    const now_ms = this.noteBlocked();
    this.meters.bits.add(frame.data.byteLength * 8, now_ms);
    const target = request.kind === "video" ? this.video : this.audio;
    const verdict = target.push(request.track, frame);
    if (verdict === "duplicate") this.meters.duplicates++;
    const fresh = verdict === "new" || verdict === "restarted";
    if (fresh) {
      this.link.arrival(request.track, frame.pts_us, frame.data.byteLength, now_ms);
      // A frame that came late is the moment at which most is known.
      this.decide();
      // Sound has to be ready before its time, by as much as the way to the loudspeaker takes.
      const lead_us = request.kind === "audio" ? this.audio.outputLatencyUs : 0;
      this.clock.observe(frame.pts_us, now_ms * 1000 + lead_us, request.kind === "audio" ? "audio" : "video");
    }
    if (fresh && (request.kind === "video" || this.catalog.video.length === 0)) this.meters.arrivals.mark(now_ms);
    if (fresh) this.pump();
    return verdict;
  }

  endOfGroup(request: TrackRequest, group: number): void {
    if (request.kind === "video") this.video.endOfGroup(request.track, group);
    else this.audio.endOfGroup(group);
  }

  cues(cues: readonly Cue[]): void {
    this.captions.add(cues);
  }

  /** Once per display refresh. */
  paint(): void {
    this.video.paint();
    this.audio.pump(this.position());
  }

  async unmute(): Promise<void> {
    this.wantsAudio = true;
    const audio = pickAudio(this.catalog.audio, this.chosenAudio);
    if (audio) await this.startAudio(audio);
    this.events.tracksChanged();
  }

  mute(): void {
    this.wantsAudio = false;
    if (this.audio.current) this.link.forget(this.audio.current.track);
    this.audio.stop();
    this.clock.forget("audio");
    this.events.tracksChanged();
  }

  /** Pictures stop for a reason that is not the network's. */
  interrupt(): void {
    this.meters.interrupt();
  }

  /** Forget what is queued and find the live edge anew. */
  flush(): void {
    this.interrupt();
    this.link.reset();
    this.clock.reset();
    this.video.flush();
    this.audio.flush();
  }

  close(): void {
    this.video.close();
    this.audio.stop();
  }

  resetGaps(): void {
    this.meters.resetGaps();
    this.audio.forgetGaps();
  }

  measures() {
    const { report } = this.audio;
    return {
      rendition: this.meters.painted > 0 ? (this.current?.track ?? "") : "",
      width: this.meters.painted > 0 ? this.canvas.width : 0,
      height: this.meters.painted > 0 ? this.canvas.height : 0,
      buffer_ms: this.video.bufferedUs(this.position()) / 1000,
      frames_decoded: this.video.decodedCount,
      frames_skipped: this.video.skippedCount,
      ...this.meters.read(this.now()),
      audio_buffer_ms: report.buffered_ms,
      audio_underruns: report.underruns,
      audio_gap_ms_max: report.gap_ms_max,
      audio_level: report.level,
      audio_offset_ms: report.offset_ms,
    };
  }

  /** Arrivals are stamped by this thread: when it was blocked, their times mean nothing. */
  private noteBlocked(): number {
    const now_ms = this.now();
    if (now_ms - this.lastAwake > BLOCKED_MS) this.link.heldUp(now_ms);
    this.lastAwake = now_ms;
    return now_ms;
  }

  private decide(): void {
    const now_ms = this.now();
    const decision = this.choice.decide(
      {
        ladder: this.catalog.video,
        shown_px: this.canvas.clientHeight * (globalThis.devicePixelRatio || 1),
        link: this.link.state(now_ms),
        audio_bps: this.audio.current?.bitrate_bps ?? 0,
        target_ms: this.target_ms,
      },
      now_ms,
    );
    if (decision.do === "step") this.step(decision);
  }

  private step({ track, urgent, why }: Decision & { do: "step" }): void {
    const rendition = this.catalog.video.find((one) => one.track === track);
    if (!rendition) return;
    const newest = this.video.newestGroup;
    const late_ms = this.link.state(this.now()).lateness_ms;
    if (urgent) {
      // First nothing of the old track, then the new one: the relay drops what it still had in its queue.
      this.video.drop();
      this.link.forgetBursts();
      this.forgetPaths();
      this.events.tracksChanged();
    }
    const late_us = urgent ? late_ms * 1000 : undefined;
    this.video.show(rendition, PATIENT.has(why) ? startGroup(newest, late_us) : undefined);
    this.events.tracksChanged();
  }

  private async startAudio(audio: AudioRendition): Promise<void> {
    await this.audio.start(audio);
    this.events.tracksChanged();
  }

  private position(): number {
    return this.clock.position(this.now() * 1000);
  }

  private pump(): void {
    this.video.pump();
    this.audio.pump(this.position());
  }

  private onPainted(pts_us: number): void {
    const now_ms = this.now();
    this.lastPaintAt = now_ms;
    if (this.meters.paint(pts_us, now_ms)) this.events.firstPaint();
  }

  /** Tracks that are not fetched any more say nothing about the link. */
  private forgetPaths(): void {
    const fetched = new Set(this.video.tracks.map(({ rendition }) => rendition.track));
    for (const { track } of this.catalog.video) if (!fetched.has(track)) this.link.forget(track);
  }

  private onHandedOver(): void {
    this.forgetPaths();
    this.events.tracksChanged();
    this.events.menus();
  }

  private suffer(): void {
    if (this.meters.painted > WARM_UP_FRAMES) this.choice.suffer();
  }
}
