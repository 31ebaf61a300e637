/** The settings of hls.js that differ from its own. */

import type { HlsConfig } from "hls.js";
import type { Protocol } from "../stats";
import type { LatencyMode } from "../viewing";
import { liveSyncOf } from "./latency";

/** Playlists with blocking reload answer within a part; two seconds of silence mean that the node is gone. */
const SILENT_NODE_MS = 2000;

export function settingsFor(protocol: Protocol, mode: LatencyMode): Partial<HlsConfig> {
  const parts = protocol === "ll-hls";
  const retry = { maxNumRetry: 4, retryDelayMs: 300, maxRetryDelayMs: 4000 };
  const policy = (first_ms: number, whole_ms: number) => ({
    default: { maxTimeToFirstByteMs: first_ms, maxLoadTimeMs: whole_ms, timeoutRetry: retry, errorRetry: retry },
  });
  return {
    ...liveSyncOf(mode, parts),
    lowLatencyMode: parts,
    // fMP4 needs no remuxing: a worker would only add a file to serve.
    enableWorker: false,
    capLevelToPlayerSize: true,
    // Three times the pixels are not seen on a hand-held screen.
    maxDevicePixelRatio: 2,
    backBufferLength: 30,
    maxBufferLength: parts ? 8 : 20,
    liveDurationInfinity: true,
    // With parts, the rate and what a stall changes are pace.ts's business.
    maxLiveSyncPlaybackRate: 1,
    liveSyncOnStallIncrease: parts ? 0 : 1,
    manifestLoadPolicy: policy(4000, 8000),
    playlistLoadPolicy: policy(parts ? SILENT_NODE_MS + 2000 : 4000, 8000),
    fragLoadPolicy: policy(parts ? SILENT_NODE_MS : 4000, 20_000),
  };
}
