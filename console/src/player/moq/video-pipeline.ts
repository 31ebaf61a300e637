/**
 * Encoded frames in, picture on a canvas out.
 *
 * Frames wait encoded and are decoded only shortly before they are due, so that a long latency target costs a few
 * hundred kilobytes and not hundreds of decoded pictures. The decoder lives through everything: another edge, a
 * restarted transcoder, another rendition; it is set up anew only when the codec changes or it fails. The last
 * picture stays on the canvas until there is a newer one.
 */

import { sameDecoder, type VideoRendition } from "./catalog";
import { FrameQueue, type QueuedFrame, type Verdict } from "./frame-queue";

/** Decode this far ahead of the paint time: covers reordering by B-frames and a busy decoder. */
const LOOKAHEAD_US = 180_000;
/** Chunks inside the decoder at once; more only adds delay. */
const MAX_DECODING = 12;
/** Later than this and with a newer group at hand: jump to that group. */
const TOO_LATE_US = 700_000;
/**
 * With a short cushion, frames go to the decoder as they arrive, and a rendition that arrives later than the one on show
 * never has a key frame ahead of it. It may then begin this far back: the decoder repeats the time, the screen does not.
 */
const REPEAT_US = 400_000;
/** Less than a frame is missing: the old track need not be fetched on. */
const RELIEVED_US = 45_000;
/** Decoder failures without a painted frame in between after which the rendition counts as not playable. */
const MAX_FAILURES = 4;

export interface VideoEvents {
  painted(pts_us: number): void;
  /** The decoder cannot follow, or came too late. */
  suffering(): void;
  /** The new rendition took over, or will without any more of the old track. */
  handedOver(): void;
  /** The browser cannot decode this codec. */
  undecodable(codec: string): void;
}

interface Feed {
  rendition: VideoRendition;
  queue: FrameQueue;
  /** Nothing before this group is wanted. */
  start_group: number | undefined;
}

interface NextFeed extends Feed {
  /** Where it takes over, once its key frame is there. */
  at_us?: number;
  /** The running track has brought everything up to there. */
  relieved?: boolean;
}

export class VideoPipeline {
  private feed: Feed | undefined;
  private next: NextFeed | undefined;
  private decoder: VideoDecoder | undefined;
  private configured: VideoRendition | undefined;
  private needsKey = true;
  private failures = 0;
  private decoded: VideoFrame[] = [];
  private paintedPts = -Infinity;
  private readonly context: CanvasRenderingContext2D;

  decodedCount = 0;
  skippedCount = 0;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly position: () => number,
    private readonly events: VideoEvents,
  ) {
    const context = canvas.getContext("2d", { alpha: false });
    if (!context) throw new Error("cannot draw: the browser gave no 2D canvas");
    this.context = context;
  }

  /** Tracks to be subscribed: the one on show and the one that shall follow. */
  get tracks(): Pick<Feed, "rendition" | "start_group">[] {
    return [this.next?.relieved ? undefined : this.feed, this.next].filter((feed) => feed !== undefined);
  }

  /** Whether pictures are missing because the player itself waits for a group to begin. */
  get awaitsGroup(): boolean {
    return this.feed?.start_group !== undefined && this.feed.queue.newestPts === -Infinity;
  }

  /** Number and first media time of the newest group of the running track. */
  get newestGroup(): { group: number; first_pts_us: number; newest_pts_us: number } | undefined {
    return this.feed?.queue.newestGroup;
  }

  get current(): VideoRendition | undefined {
    return this.feed?.rendition;
  }

  /** Media waiting to be decoded, in microseconds. */
  bufferedUs(position_us: number): number {
    const newest = this.feed?.queue.newestPts ?? -Infinity;
    return Number.isFinite(newest) && Number.isFinite(position_us) ? Math.max(0, newest - position_us) : 0;
  }

  /** Play this rendition; a running one keeps playing until the new one has a key frame. */
  show(rendition: VideoRendition, start_group?: number): void {
    if (!this.feed) {
      this.feed = { rendition, queue: new FrameQueue(), start_group };
      this.prepare(rendition); // so that the first key frame finds a decoder
    } else if (this.feed.rendition.track === rendition.track && !this.next?.relieved) {
      this.feed.rendition = rendition;
      this.next = undefined;
    } else if (this.next?.rendition.track !== rendition.track) {
      this.next = { rendition, queue: new FrameQueue(), start_group };
    }
  }

  /** The catalog says something new of the running rendition. */
  update(rendition: VideoRendition): void {
    if (this.feed?.rendition.track === rendition.track) this.feed.rendition = rendition;
  }

  /** Give up what is fetched now: nothing more of it is worth the link. The picture stays. */
  drop(): void {
    this.feed = this.next = undefined;
    this.needsKey = true;
  }

  push(track: string, frame: QueuedFrame): Verdict {
    const feed = this.feedOf(track);
    if (!feed) return "late";
    // From the hand-over point on, the next rendition brings the picture.
    if (feed === this.feed && frame.pts_us >= (this.next?.at_us ?? Infinity)) return "late";
    const verdict = feed.queue.push(frame);
    if (verdict === "restarted" && feed === this.feed) this.needsKey = true;
    return verdict;
  }

  endOfGroup(track: string, group: number): void {
    this.feedOf(track)?.queue.end(group);
  }

  /** Move what is due into the decoder. Call on arrivals, on decoder output and before painting. */
  pump(): void {
    const feed = this.feed;
    if (!feed) return;
    const position = this.position();
    this.handOver(position);
    this.catchUp(position);
    while ((this.decoder?.decodeQueueSize ?? 0) < MAX_DECODING) {
      // The first picture is shown at once, whatever its time.
      const first = this.paintedPts === -Infinity && this.needsKey;
      const frame = this.feed?.queue.pull(first ? Infinity : position + LOOKAHEAD_US);
      if (!frame) break;
      this.decode(frame);
    }
  }

  /** Draw the newest decoded frame whose time has come. Call once per display refresh. */
  paint(): void {
    this.pump();
    this.trim();
    const frame = this.decoded[0];
    if (!frame) return;
    const due = frame.timestamp <= this.position();
    // The very first picture is shown at once: better a still one early than black until the buffer is full.
    if (!due && this.paintedPts !== -Infinity) return;
    this.decoded.shift();
    this.draw(frame);
  }

  /** Forget what waits, as after a pause; the picture stays. */
  flush(): void {
    this.feed?.queue.clear();
    this.next = undefined;
    this.needsKey = true;
    for (const frame of this.decoded.splice(0)) frame.close();
  }

  close(): void {
    this.flush();
    if (this.decoder && this.decoder.state !== "closed") this.decoder.close();
    this.decoder = undefined;
  }

  private feedOf(track: string): Feed | undefined {
    if (this.feed?.rendition.track === track) return this.feed;
    return this.next?.rendition.track === track ? this.next : undefined;
  }

  private handOver(position_us: number): void {
    const { feed, next } = this;
    if (!feed || !next) return;
    if (next.at_us === undefined) {
      const released = feed.queue.releasedPts;
      const key = next.queue.keyAfter(released) ?? next.queue.keyBefore(released, REPEAT_US);
      if (!key) return;
      next.at_us = key.pts_us;
      next.queue.dropBefore(key.group);
      feed.queue.cutFrom(key.pts_us);
    }
    if (!next.relieved && feed.queue.newestPts >= next.at_us - RELIEVED_US) {
      next.relieved = true;
      this.events.handedOver();
    }
    const drained = feed.queue.length === 0;
    if (!drained || next.at_us > position_us + LOOKAHEAD_US) return;
    this.feed = { rendition: next.rendition, queue: next.queue, start_group: next.start_group };
    this.next = undefined;
    this.events.handedOver();
  }

  private catchUp(position_us: number): void {
    const queue = this.feed?.queue;
    const head = queue?.headPts;
    if (!queue || head === undefined || position_us - head < TOO_LATE_US) return;
    const skipped = queue.skipTo(position_us);
    if (skipped === 0) return;
    this.skippedCount += skipped;
    this.needsKey = true;
    this.events.suffering();
  }

  private decode(frame: QueuedFrame): void {
    const rendition = this.feed?.rendition;
    if (!rendition) return;
    if (this.needsKey && !frame.key) {
      this.skippedCount++;
      return;
    }
    if (frame.key && !this.prepare(rendition)) return;
    if (this.decoder?.state !== "configured") return;
    const type = frame.key ? "key" : "delta";
    try {
      this.decoder.decode(new EncodedVideoChunk({ type, timestamp: frame.pts_us, data: frame.data }));
      this.needsKey = false;
    } catch {
      // What should be a key frame is none; the next group will have one.
      this.skippedCount++;
      this.needsKey = true;
    }
  }

  /** Make sure that a decoder for `rendition` is ready to take a key frame. */
  private prepare(rendition: VideoRendition): boolean {
    const usable = this.decoder?.state === "configured" && this.configured && sameDecoder(this.configured, rendition);
    if (usable) return true;
    if (!this.decoder || this.decoder.state === "closed") {
      this.decoder = new VideoDecoder({
        output: (frame) => this.accept(frame),
        error: () => this.fail(rendition),
      });
    }
    try {
      this.decoder.configure({
        codec: rendition.codec,
        optimizeForLatency: true,
        ...(rendition.description ? { description: rendition.description } : {}),
        ...(rendition.width > 0 && rendition.height > 0
          ? { codedWidth: rendition.width, codedHeight: rendition.height }
          : {}),
      });
    } catch {
      this.events.undecodable(rendition.codec);
      return false;
    }
    this.configured = rendition;
    return true;
  }

  private fail(rendition: VideoRendition): void {
    this.decoder = undefined;
    this.needsKey = true;
    this.failures++;
    this.events.suffering();
    if (this.failures >= MAX_FAILURES) this.events.undecodable(rendition.codec);
  }

  private accept(frame: VideoFrame): void {
    this.decodedCount++;
    if (frame.timestamp <= this.paintedPts) {
      frame.close();
      return;
    }
    let index = this.decoded.length;
    while (index > 0 && (this.decoded[index - 1]?.timestamp ?? 0) > frame.timestamp) index--;
    if (this.decoded[index - 1]?.timestamp === frame.timestamp) {
      frame.close(); // the rendition that took over repeats a time that the one before has decoded already
      return;
    }
    this.decoded.splice(index, 0, frame);
    this.trim();
    this.pump();
  }

  /** Close decoded frames that a newer due frame has overtaken. */
  private trim(): void {
    const position = this.position();
    while (this.decoded.length > 1 && (this.decoded[1]?.timestamp ?? Infinity) <= position) {
      this.decoded.shift()?.close();
    }
  }

  private draw(frame: VideoFrame): void {
    const { displayWidth: width, displayHeight: height } = frame;
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    this.context.drawImage(frame, 0, 0, width, height);
    this.paintedPts = frame.timestamp;
    this.failures = 0;
    frame.close();
    this.events.painted(this.paintedPts);
  }
}
