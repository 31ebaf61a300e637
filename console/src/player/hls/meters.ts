/** What is measured of a media element that plays HLS. */

import type Hls from "hls.js";
import { GapMeter, RateMeter, STALL_MS } from "../stats";

export class HlsMeters {
  readonly paints = new GapMeter(STALL_MS);
  readonly fps = new RateMeter();
  readonly bits = new RateMeter();
  painted = 0;

  read(video: HTMLVideoElement, hls: Hls | undefined) {
    const now_ms = performance.now();
    const gap = this.paints.read(now_ms);
    const quality = video.getVideoPlaybackQuality();
    const level = hls?.levels[hls.currentLevel];
    const buffer_ms = bufferedMs(video);
    return {
      rendition: video.videoHeight > 0 ? `${level?.height || video.videoHeight}p` : "",
      width: video.videoWidth,
      height: video.videoHeight,
      latency_ms: latencyMs(hls),
      buffer_ms,
      fps: this.fps.perSecond(now_ms),
      bitrate_bps: this.bits.perSecond(now_ms),
      frames_painted: this.painted,
      frames_decoded: quality.totalVideoFrames,
      frames_duplicate: 0,
      frames_skipped: quality.droppedVideoFrames,
      stalls: gap.stalls,
      stalled_ms: gap.stalled_ms,
      gap_ms_max: gap.longest_ms,
      paint_gap_ms_max: gap.longest_ms,
      muted: video.muted,
      audio_buffer_ms: buffer_ms,
      audio_underruns: 0,
      audio_gap_ms_max: 0,
      audio_level: 0,
      audio_offset_ms: 0,
    };
  }
}

/** Wall clock minus the picture's own time, where the playlist tells it; else the distance to the live edge. */
function latencyMs(hls: Hls | undefined): number {
  const at = hls?.playingDate?.getTime();
  return at === undefined ? (hls?.latency ?? 0) * 1000 : Date.now() - at;
}

function bufferedMs(video: HTMLVideoElement): number {
  return ((bufferedEnd_s(video) ?? video.currentTime) - video.currentTime) * 1000;
}

/** Where the buffer around the playhead ends; undefined where nothing is buffered there. */
export function bufferedEnd_s({ buffered, currentTime }: HTMLVideoElement): number | undefined {
  for (let i = 0; i < buffered.length; i++) {
    if (buffered.start(i) <= currentTime && currentTime <= buffered.end(i)) return buffered.end(i);
  }
  return undefined;
}
