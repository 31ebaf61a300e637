/**
 * Encoded sound in, loudspeaker out; only while unmuted. The sound follows the playout clock, as the picture does,
 * so the two stay together whatever the network did.
 */

import type { AudioRendition } from "./catalog";
import { FrameQueue, type QueuedFrame, type Verdict } from "./frame-queue";
import type { FromWorklet, ToWorklet } from "./audio-worklet";

/** Decode this far ahead: sound must never wait for a busy main thread. */
const LOOKAHEAD_US = 400_000;
/** A distance between packets that differs this much from the one before is a hole, or a new beginning. */
const HOLE_US = 15_000;
/** Packets inside the decoder at once; more means that it swallows some. */
const MAX_DECODING = 16;
/** Decoding a packet and bringing it to the audio thread. */
const HAND_OVER_US = 30_000;
/** How often the audio thread is told the time. */
const CLOCK_EVERY_MS = 20;
const SILENT: FromWorklet = { buffered_ms: 0, underruns: 0, gap_ms_max: 0, level: 0, offset_ms: 0 };

/** Where the build puts the audio thread's file, seen from this one; a worklet can only be loaded from a URL. */
declare const __AUDIO_WORKLET__: string;

function workletUrl(): string {
  return new URL(import.meta.env.DEV ? "./audio-worklet.ts" : __AUDIO_WORKLET__, import.meta.url).toString();
}

export class AudioPipeline {
  private rendition: AudioRendition | undefined;
  private readonly queue = new FrameQueue();
  private decoder: AudioDecoder | undefined;
  private context: AudioContext | undefined;
  private gain: GainNode | undefined;
  private node: AudioWorkletNode | undefined;
  private timer: ReturnType<typeof setInterval> | undefined;
  private level = 1;
  /** Timestamps of the packets in the decoder, in order. */
  private decoding: number[] = [];
  private lastPts: number | undefined;
  private lastStep: number | undefined;
  report: FromWorklet = SILENT;

  /** @param positionAt media time on show at a `performance.now()` moment, microseconds */
  constructor(private readonly positionAt: (performance_ms: number) => number) {}

  get current(): AudioRendition | undefined {
    return this.rendition;
  }

  get running(): boolean {
    return this.context?.state === "running";
  }

  /** From the audio thread's read to the loudspeaker, with a little for decoding and handing over. */
  get outputLatencyUs(): number {
    const { context } = this;
    return context ? (context.outputLatency + context.baseLatency) * 1e6 + HAND_OVER_US : 0;
  }

  /** Start sound. Must come from a gesture of the viewer unless the browser allows sound from the start. */
  async start(rendition: AudioRendition): Promise<void> {
    await this.open(rendition);
    await this.context?.resume();
  }

  /** Follow a changed catalog. */
  async replace(rendition: AudioRendition): Promise<void> {
    const now = this.rendition;
    const same = now && now.track === rendition.track && now.codec === rendition.codec;
    if (!same || now.sample_rate_hz !== rendition.sample_rate_hz || now.channels !== rendition.channels) {
      await this.start(rendition);
    }
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    if (this.decoder && this.decoder.state !== "closed") this.decoder.close();
    this.decoder = undefined;
    this.rendition = undefined;
    this.queue.clear();
    void this.context?.close();
    this.context = this.gain = this.node = undefined;
    this.report = SILENT;
  }

  setVolume(level: number): void {
    this.level = level;
    if (this.gain && this.context) this.gain.gain.setTargetAtTime(level, this.context.currentTime, 0.02);
  }

  push(track: string, frame: QueuedFrame): Verdict {
    if (this.rendition?.track !== track) return "late";
    return this.queue.push(frame);
  }

  endOfGroup(group: number): void {
    this.queue.end(group);
  }

  pump(position_us: number): void {
    if (!this.decoder || this.decoder.state !== "configured") return;
    for (;;) {
      const frame = this.queue.pull(position_us + LOOKAHEAD_US);
      if (!frame) return;
      if (frame.pts_us >= position_us - 100_000) this.decode(frame.pts_us, frame.data);
    }
  }

  /**
   * Browsers' decoders count time by samples from the first packet on and do not notice holes, so the timestamps that
   * go in are kept beside, and after a hole the decoder starts over.
   */
  private decode(pts_us: number, data: Uint8Array): void {
    const { decoder, rendition, lastPts } = this;
    if (!decoder || !rendition) return;
    const step = lastPts === undefined ? undefined : pts_us - lastPts;
    const hole = step !== undefined && this.lastStep !== undefined && Math.abs(step - this.lastStep) > HOLE_US;
    if (hole) {
      decoder.reset();
      configure(decoder, rendition);
      this.decoding = [];
    }
    this.lastStep = hole ? undefined : step;
    this.lastPts = pts_us;
    this.decoding.push(pts_us);
    if (this.decoding.length > MAX_DECODING) this.decoding.shift();
    decoder.decode(new EncodedAudioChunk({ type: "key", timestamp: pts_us, data }));
  }

  flush(): void {
    this.queue.clear();
    this.send({ type: "clear" });
  }

  forgetGaps(): void {
    this.send({ type: "forget_gaps" });
    this.report = { ...this.report, gap_ms_max: 0 };
  }

  private async open(rendition: AudioRendition): Promise<void> {
    this.stop();
    this.rendition = rendition;
    const context = new AudioContext({ sampleRate: rendition.sample_rate_hz, latencyHint: "interactive" });
    this.context = context;
    await context.audioWorklet.addModule(workletUrl());
    if (this.context !== context) return;
    this.node = new AudioWorkletNode(context, "skyriver-audio", { numberOfInputs: 0, outputChannelCount: [2] });
    this.node.port.onmessage = (event: MessageEvent<FromWorklet>) => (this.report = event.data);
    this.gain = new GainNode(context, { gain: this.level });
    this.node.connect(this.gain).connect(context.destination);
    this.timer = setInterval(() => this.tellTime(), CLOCK_EVERY_MS);
    this.openDecoder(rendition);
    this.tellTime();
  }

  private openDecoder(rendition: AudioRendition): void {
    const decoder = new AudioDecoder({
      output: (data) => this.play(data),
      // A broken packet closes the decoder; the next one starts clean.
      error: () => {
        if (this.decoder === decoder && this.rendition) this.openDecoder(this.rendition);
      },
    });
    configure(decoder, rendition);
    this.decoder = decoder;
    this.decoding = [];
    this.lastPts = this.lastStep = undefined;
  }

  private play(data: AudioData): void {
    const planes: Float32Array[] = [];
    for (let planeIndex = 0; planeIndex < data.numberOfChannels; planeIndex++) {
      const plane = new Float32Array(data.numberOfFrames);
      data.copyTo(plane, { planeIndex, format: "f32-planar" });
      planes.push(plane);
    }
    const pts_us = this.decoding.shift() ?? data.timestamp;
    this.send({ type: "samples", pts_us, planes }, planes.map((plane) => plane.buffer));
    data.close();
  }

  private tellTime(): void {
    const { context } = this;
    if (context?.state !== "running") return;
    const stamp = context.getOutputTimestamp();
    if (stamp.contextTime === undefined || stamp.performanceTime === undefined || stamp.performanceTime === 0) return;
    const media_us = this.positionAt(stamp.performanceTime);
    if (Number.isFinite(media_us)) this.send({ type: "clock", context_s: stamp.contextTime, media_us });
  }

  private send(message: ToWorklet, transfer: Transferable[] = []): void {
    this.node?.port.postMessage(message, transfer);
  }
}

function configure(decoder: AudioDecoder, rendition: AudioRendition): void {
  decoder.configure({
    codec: rendition.codec,
    sampleRate: rendition.sample_rate_hz,
    numberOfChannels: rendition.channels,
    ...(rendition.description ? { description: rendition.description } : {}),
  });
}
