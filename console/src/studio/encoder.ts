/** Encodes one capture in real time and writes it into a publisher: H.264 in Annex-B and Opus, by WebCodecs. */

import { CaptureClock, groupOf, slotOf } from "./numbering";
import type { AudioDescription, Publisher, VideoDescription } from "./publisher";
import { RateControl } from "./rate";

const AUDIO_BPS = 96_000;
const OPUS_RATE_HZ = 48_000;
const READ_EVERY_MS = 250;
const MIN_VIDEO_BPS = 200_000;

export interface SendingNumbers {
  fps: number;
  bitrate_bps: number;
  target_bps: number;
  dropped: number;
  backlog_ms: number;
  rtt_ms: number | undefined;
  width: number;
  height: number;
}

export class NoEncoder extends Error {}

/** Bits a second for a picture of this size: about 0.1 bit for each pixel, as encoders of cameras need. */
export function startBitrate(width: number, height: number, fps: number): number {
  return Math.round(Math.min(8_000_000, Math.max(600_000, width * height * fps * 0.1)));
}

/** Levels of H.264 (annex A, table A-1) by macroblocks a second. */
function levelHex(width: number, height: number, fps: number): string {
  const macroblocks = Math.ceil(width / 16) * Math.ceil(height / 16) * fps;
  if (macroblocks <= 108_000) return "1f"; // 3.1: 720p30
  if (macroblocks <= 245_760) return "28"; // 4.0: 1080p30
  if (macroblocks <= 522_240) return "2a"; // 4.2: 1080p60
  return "33"; // 5.1
}

/** The best H.264 profile that this browser encodes. */
async function videoConfig(width: number, height: number, fps: number, bitrate: number): Promise<VideoEncoderConfig> {
  const level = levelHex(width, height, fps);
  for (const profile of ["6400", "4d00", "42e0"]) {
    const config: VideoEncoderConfig = {
      codec: `avc1.${profile}${level}`,
      width,
      height,
      framerate: fps,
      bitrate,
      bitrateMode: "variable",
      latencyMode: "realtime",
      avc: { format: "annexb" },
    };
    if ((await VideoEncoder.isConfigSupported(config)).supported) return config;
  }
  throw new NoEncoder("H.264");
}

export class Sending {
  private readonly clock = new CaptureClock();
  private readonly stopped = new AbortController();
  private readonly rate: RateControl;
  private readonly described: { video?: VideoDescription; audio?: AudioDescription } = {};
  private videoEncoder: VideoEncoder | undefined;
  private config: VideoEncoderConfig | undefined;
  private slot = -1;
  private audioSlot = -1;
  private keyframeWanted = true;
  private dropped = 0;
  private frames = 0;
  private bytes = 0;
  private since_ms = performance.now();
  private timer: ReturnType<typeof setInterval> | undefined;
  private numbers_: SendingNumbers | undefined;

  constructor(
    private readonly publisher: Publisher,
    private readonly stream: MediaStream,
    private readonly onEnd: (error: unknown) => void,
    maxBitrate?: number,
  ) {
    const { width = 1280, height = 720, frameRate = 30 } = stream.getVideoTracks()[0]?.getSettings() ?? {};
    this.rate = new RateControl({ max_bps: maxBitrate ?? startBitrate(width, height, frameRate), min_bps: MIN_VIDEO_BPS });
  }

  get numbers(): SendingNumbers | undefined {
    return this.numbers_;
  }

  /** Begin; resolves when both tracks are described. @throws NoEncoder */
  async start(): Promise<void> {
    const video = this.stream.getVideoTracks()[0];
    const audio = this.stream.getAudioTracks()[0];
    if (audio) this.startAudio(audio);
    if (video) await this.startVideo(video);
    this.publisher.describe(this.described);
    this.timer = setInterval(() => void this.read(), READ_EVERY_MS);
  }

  stop(): void {
    this.stopped.abort();
    clearInterval(this.timer);
  }

  /** Somebody begins to read, or a session was made anew: start at a picture that stands alone. */
  wantKeyframe(): void {
    this.keyframeWanted = true;
  }

  private async startVideo(track: MediaStreamTrack): Promise<void> {
    const { width = 1280, height = 720, frameRate = 30 } = track.getSettings();
    await this.configureVideo(even(width), even(height), frameRate);
    void this.pump(track, (frame: VideoFrame) => this.encodeVideo(frame));
  }

  private async configureVideo(width: number, height: number, fps: number): Promise<void> {
    const config = await videoConfig(width, height, fps, this.rate.target_bps);
    this.config = config;
    this.keyframeWanted = true;
    if (this.videoEncoder === undefined) {
      this.videoEncoder = new VideoEncoder({
        output: (chunk) => this.writeVideo(chunk),
        error: (error) => this.onEnd(error),
      });
    }
    this.videoEncoder.configure(config);
    this.described.video = { codec: config.codec.replace("avc1", "avc3"), width, height, framerate: fps };
  }

  private async encodeVideo(frame: VideoFrame): Promise<void> {
    const encoder = this.videoEncoder;
    const config = this.config;
    if (encoder === undefined || config === undefined || encoder.state !== "configured") return;
    const width = even(frame.displayWidth);
    const height = even(frame.displayHeight);
    if (width !== config.width || height !== config.height) {
      // A window that is shared changes its size, a telephone is turned.
      await this.configureVideo(width, height, config.framerate ?? 30);
      this.publisher.describe(this.described);
    }
    if (this.rate.leavesOut) {
      this.dropped += 1;
      this.keyframeWanted = true;
      return;
    }
    const pts_us = this.clock.mediaTime("video", frame.timestamp);
    const slot = slotOf(pts_us);
    const keyFrame = this.keyframeWanted || slot > this.slot;
    if (keyFrame) {
      this.slot = Math.max(slot, this.slot);
      this.keyframeWanted = false;
    }
    encoder.encode(frame, { keyFrame });
  }

  private writeVideo(chunk: EncodedVideoChunk): void {
    const pts_us = this.clock.mediaTime("video", chunk.timestamp);
    const group = chunk.type === "key" ? groupOf(pts_us) : undefined;
    const written = this.publisher.video.write(pts_us, chunk.byteLength, (target) => chunk.copyTo(target), group);
    this.count(written);
    this.frames += 1;
  }

  private startAudio(track: MediaStreamTrack): void {
    const channels = Math.min(2, track.getSettings().channelCount ?? 2);
    let encoder: AudioEncoder | undefined;
    const configure = (rate_hz: number, count: number): void => {
      encoder = new AudioEncoder({ output: (chunk) => this.writeAudio(chunk), error: (error) => this.onEnd(error) });
      encoder.configure({ codec: "opus", sampleRate: rate_hz, numberOfChannels: count, bitrate: AUDIO_BPS });
      this.described.audio = { codec: "opus", sample_rate_hz: OPUS_RATE_HZ, channels: count };
    };
    let shape = "";
    this.described.audio = { codec: "opus", sample_rate_hz: OPUS_RATE_HZ, channels };
    void this.pump(track, (data: AudioData) => {
      const count = Math.min(2, data.numberOfChannels);
      if (shape !== `${data.sampleRate}/${count}`) {
        shape = `${data.sampleRate}/${count}`;
        if (encoder?.state === "configured") encoder.close();
        configure(data.sampleRate, count);
        if (count !== channels) this.publisher.describe(this.described);
      }
      if (encoder?.state === "configured") encoder.encode(data);
    });
  }

  private writeAudio(chunk: EncodedAudioChunk): void {
    const pts_us = this.clock.mediaTime("audio", chunk.timestamp);
    const starts = slotOf(pts_us) > this.audioSlot;
    if (starts) this.audioSlot = slotOf(pts_us);
    const group = starts ? groupOf(pts_us) : undefined;
    this.count(this.publisher.audio.write(pts_us, chunk.byteLength, (target) => chunk.copyTo(target), group));
  }

  private count(written_bytes: number): void {
    this.publisher.written_bytes += written_bytes;
    this.bytes += written_bytes;
  }

  /** Every frame of a track, until the track or the sending ends. */
  private async pump<T extends VideoFrame | AudioData>(
    track: MediaStreamTrack,
    take: (frame: T) => Promise<void> | void,
  ): Promise<void> {
    const reader = new MediaStreamTrackProcessor<T>({ track }).readable.getReader();
    const cancel = (): void => void reader.cancel().catch(() => undefined);
    this.stopped.signal.addEventListener("abort", cancel, { once: true });
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        try {
          await take(value);
        } finally {
          value.close();
        }
      }
      if (!this.stopped.signal.aborted) this.onEnd(undefined); // the person ended the sharing, or pulled the plug
    } catch (error) {
      if (!this.stopped.signal.aborted) this.onEnd(error);
    }
  }

  private async read(): Promise<void> {
    const now_ms = performance.now();
    const sent_bytes = await this.publisher.sentBytes();
    const reading = { now_ms, written_bytes: this.publisher.written_bytes, sent_bytes, encode_queue: this.videoEncoder?.encodeQueueSize ?? 0 };
    if (this.rate.take(reading) && this.config && this.videoEncoder?.state === "configured") {
      this.config = { ...this.config, bitrate: this.rate.target_bps };
      this.videoEncoder.configure(this.config);
    }
    const seconds = (now_ms - this.since_ms) / 1000;
    if (seconds < 0.9) return;
    this.numbers_ = {
      fps: this.frames / seconds,
      bitrate_bps: (this.bytes * 8) / seconds,
      target_bps: this.rate.target_bps,
      dropped: this.dropped,
      backlog_ms: this.rate.backlog_ms,
      rtt_ms: this.publisher.rtt_ms,
      width: this.config?.width ?? 0,
      height: this.config?.height ?? 0,
    };
    this.since_ms = now_ms;
    this.frames = 0;
    this.bytes = 0;
  }
}

const even = (length: number): number => Math.max(2, length - (length % 2));
