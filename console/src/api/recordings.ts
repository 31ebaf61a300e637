/** Recordings as the API tells of them. */

export type RecordingState = "recording" | "finishing" | "making" | "ready" | "failed" | "deleting";

export interface Recording {
  id: string;
  channel_id: string;
  channel_name: string;
  kind: "show" | "clip";
  source_id: string | null;
  name: string;
  state: RecordingState;
  start: string;
  end: string | null;
  duration_ms: number;
  size_bytes: number;
  gaps: { start: string; end: string }[];
  tracks: { name: string; kind: "video" | "audio"; codec: string; width: number; height: number }[];
  retain_until: string | null;
  failure: string;
}

export interface RecordingSettings {
  enabled: boolean;
  retention_days: number;
  dvr_minutes: number;
  renditions: "all" | "top";
}

/** Addresses that anybody who has them can use until they expire. */
export interface PlayTicket {
  recording_id: string;
  hls_url: string;
  thumbnails_url: string;
  poster_url: string;
  download_url: string | null;
  expires_at: string;
}

/** Whether its state or its size will change by itself. */
export const isMoving = (recording: Recording): boolean =>
  recording.state === "recording" || recording.state === "finishing" || recording.state === "making";

export const isPlayable = (recording: Recording): boolean =>
  recording.size_bytes > 0 && recording.state !== "making" && recording.state !== "failed";

/** The UTC moment at a place of the player's clock, which leaves gaps out. */
export function momentAt(recording: Recording, seconds: number): Date {
  let time = Date.parse(recording.start) + seconds * 1000;
  for (const gap of recording.gaps) {
    if (Date.parse(gap.start) > time) break;
    time += Date.parse(gap.end) - Date.parse(gap.start);
  }
  return new Date(time);
}

/** `1:02:03`, or `2:03` below an hour. */
export function clockText(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const pad = (value: number): string => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}
