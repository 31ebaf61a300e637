/** The statistics as text, for the overlay. */

import type { PlayerStats } from "../stats";

const WAYS = { moq: "MoQ (WebTransport)", "ll-hls": "LL-HLS", hls: "HLS" } as const;

export function describe(stats: PlayerStats): string {
  const ms = (value: number): string => `${Math.round(value)} ms`;
  const sound = `${ms(stats.audio_buffer_ms)} buffered, ${stats.audio_underruns} underruns, gap max ${ms(stats.audio_gap_ms_max)}`;
  return [
    `way       ${stats.protocol ? WAYS[stats.protocol] : "-"}`,
    `edge      ${stats.edge_site || stats.edge_node_id || "-"} ${stats.edge}`,
    `spare     ${stats.warm_edge || "-"}`,
    `picture   ${stats.rendition} ${stats.width}x${stats.height} ${stats.fps.toFixed(1)} fps ${(stats.bitrate_bps / 1e6).toFixed(2)} Mbit/s`,
    `latency   ${ms(stats.latency_ms)} (buffer ${ms(stats.buffer_ms)})`,
    `startup   ${stats.startup_ms === undefined ? "-" : ms(stats.startup_ms)}`,
    `gap max   ${ms(stats.gap_ms_max)} delivered, ${ms(stats.paint_gap_ms_max)} painted`,
    `stalls    ${stats.stalls}  switches ${stats.switches}  skipped ${stats.frames_skipped}  dup ${stats.frames_duplicate}`,
    `sound     ${stats.muted ? "muted" : sound}`,
  ].join("\n");
}
