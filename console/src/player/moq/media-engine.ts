/** Everything between arriving frames and what is seen and heard: queues, the playout clock, decoders, meters. */

import { AudioPipeline } from "./audio-pipeline";
import { pickAudio, type Catalog, type VideoRendition } from "./catalog";
import type { TrackRequest } from "./edge-session";
import type { QueuedFrame, Verdict } from "./frame-queue";
import { PlayoutClock } from "./playout-clock";
import { RenditionChoice } from "../abr/rendition-choice";
import { GapMeter, RateMeter, STALL_MS } from "../stats";
import { VideoPipeline } from "./video-pipeline";

export interface EngineEvents {
  /** The set of tracks to subscribe has changed. */
  tracksChanged(): void;
  firstPaint(): void;
  undecodable(codec: string): void;
  renditionsChanged(): void;
}

export class MediaEngine {
  readonly choice = new RenditionChoice();
  private readonly clock: PlayoutClock;
  private readonly video: VideoPipeline;
  readonly audio: AudioPipeline;
  private catalog: Catalog = { video: [], audio: [] };
  private wantsAudio = false;
  private readonly paintGaps = new GapMeter(STALL_MS);
  private readonly arrivalGaps = new GapMeter();
  private readonly paints = new RateMeter();
  private readonly bytes = new RateMeter();
  private stallsBefore = 0;

  painted = 0;
  duplicates = 0;
  latency_ms = 0;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    target_ms: number,
    private readonly now: () => number,
    private readonly events: EngineEvents,
  ) {
    this.clock = new PlayoutClock(target_ms * 1000);
    this.video = new VideoPipeline(canvas, () => this.position(), {
      painted: (pts_us) => this.onPainted(pts_us),
      suffering: () => this.suffer(),
      handedOver: () => events.tracksChanged(),
      undecodable: (codec) => events.undecodable(codec),
    });
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

  get lastPaintMs(): number {
    return this.lastPaintAt;
  }
  private lastPaintAt = -Infinity;

  setTarget(target_ms: number): void {
    this.clock.setTarget(target_ms * 1000);
    this.interrupt();
  }

  setCatalog(catalog: Catalog): void {
    // A catalog without any track is what a publisher shows for a moment while it starts; the old one plays on.
    if (catalog.video.length === 0 && catalog.audio.length === 0) return;
    const changed = JSON.stringify(catalog.video) !== JSON.stringify(this.catalog.video);
    this.catalog = catalog;
    this.chooseRendition();
    const audio = pickAudio(catalog.audio);
    if (this.wantsAudio && audio) void this.audio.replace(audio).then(() => this.events.tracksChanged());
    if (changed) this.events.renditionsChanged();
    this.events.tracksChanged();
  }

  /** Look again which rendition fits; call now and then, and when the box changes. */
  chooseRendition(): void {
    const box_px = this.canvas.clientHeight * (globalThis.devicePixelRatio || 1);
    const before = this.video.tracks.map((r) => r.track).join();
    const chosen = this.choice.pick(this.catalog.video, box_px, this.now());
    if (chosen) this.video.show(chosen);
    if (this.video.tracks.map((r) => r.track).join() !== before) this.events.tracksChanged();
  }

  /** What should be subscribed now. */
  wanted(): TrackRequest[] {
    const tracks: TrackRequest[] = this.video.tracks.map((r) => ({
      track: r.track,
      kind: "video",
      container: r.container,
    }));
    const audio = this.audio.current;
    if (audio) tracks.push({ track: audio.track, kind: "audio", container: audio.container });
    return tracks;
  }

  frame(request: TrackRequest, frame: QueuedFrame): Verdict {
    const now_ms = this.now();
    this.bytes.add(frame.data.byteLength * 8, now_ms);
    const target = request.kind === "video" ? this.video : this.audio;
    const verdict = target.push(request.track, frame);
    if (verdict === "duplicate") this.duplicates++;
    const fresh = verdict === "new" || verdict === "restarted";
    if (fresh) {
      // Sound has to be ready before its time, by as much as the way to the loudspeaker takes.
      const lead_us = request.kind === "audio" ? this.audio.outputLatencyUs : 0;
      this.clock.observe(frame.pts_us, now_ms * 1000 + lead_us, request.kind);
    }
    if (fresh && (request.kind === "video" || this.catalog.video.length === 0)) this.arrivalGaps.mark(now_ms);
    if (fresh) this.pump();
    return verdict;
  }

  endOfGroup(request: TrackRequest, group: number): void {
    if (request.kind === "video") this.video.endOfGroup(request.track, group);
    else this.audio.endOfGroup(group);
  }

  /** Once per display refresh. */
  paint(): void {
    this.video.paint();
    this.audio.pump(this.position());
  }

  async unmute(): Promise<void> {
    this.wantsAudio = true;
    const audio = pickAudio(this.catalog.audio);
    if (audio) await this.audio.start(audio);
    this.events.tracksChanged();
  }

  mute(): void {
    this.wantsAudio = false;
    this.audio.stop();
    this.clock.forget("audio");
    this.events.tracksChanged();
  }

  /** Pictures stop for a reason that is not the network's. */
  interrupt(): void {
    this.paintGaps.interrupt();
    this.arrivalGaps.interrupt();
  }

  /** Forget what is queued and find the live edge anew. */
  flush(): void {
    this.interrupt();
    this.clock.reset();
    this.video.flush();
    this.audio.flush();
  }

  close(): void {
    this.video.close();
    this.audio.stop();
  }

  resetGaps(): void {
    this.paintGaps.resetLongest();
    this.arrivalGaps.resetLongest();
  }

  measures() {
    const now_ms = this.now();
    const painted = this.paintGaps.read(now_ms);
    return {
      rendition: this.current?.track ?? "",
      width: this.painted > 0 ? this.canvas.width : 0,
      height: this.painted > 0 ? this.canvas.height : 0,
      latency_ms: this.latency_ms,
      buffer_ms: this.video.bufferedUs(this.position()) / 1000,
      fps: this.paints.perSecond(now_ms),
      bitrate_bps: this.bytes.perSecond(now_ms),
      frames_painted: this.painted,
      frames_decoded: this.video.decodedCount,
      frames_duplicate: this.duplicates,
      frames_skipped: this.video.skippedCount,
      stalls: painted.stalls,
      gap_ms_max: this.arrivalGaps.read(now_ms).longest_ms,
      paint_gap_ms_max: painted.longest_ms,
      audio_buffer_ms: this.audio.report.buffered_ms,
      audio_underruns: this.audio.report.underruns,
      audio_level: this.audio.report.level,
      audio_offset_ms: this.audio.report.offset_ms,
    };
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
    this.latency_ms = Date.now() - pts_us / 1000;
    this.paints.add(1, now_ms);
    this.paintGaps.mark(now_ms);
    if (this.painted++ === 0) this.events.firstPaint();
    const stalls = this.paintGaps.read(now_ms).stalls;
    if (stalls > this.stallsBefore) this.suffer();
    this.stallsBefore = stalls;
  }

  private suffer(): void {
    // The first seconds are spent catching up with the open group; that says nothing about the size of the picture.
    if (this.painted > 60 && this.choice.trouble(this.now())) this.chooseRendition();
  }
}
