/** What the HTTP API answers. The source of truth is /openapi.json. */

export type Role = "owner" | "admin" | "member" | "viewer";

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export interface Tenant {
  id: string;
  slug: string;
  name: string;
  is_operator: boolean;
  created_at: string;
}

export interface User {
  id: string;
  email: string;
  name: string;
  role: Role;
  created_at: string;
}

export interface Me {
  kind: "user" | "api_key";
  id: string;
  role: Role;
  is_operator: boolean;
  tenant: Tenant;
  user: User | null;
}

export type ChannelState = "offline" | "starting" | "live";

export interface ChannelInput {
  codec: string;
  width: number;
  height: number;
  fps: number;
  bitrate_bps: number;
  audio: string;
  since: string;
}

export type Takeover = "first_wins" | "takeover";

/** Where encoders push to; null where that door is shut on the channel's node. */
export interface IngestUrls {
  rtmp_url: string | null;
  rtmps_url: string | null;
  srt_url: string | null;
  whip_url: string | null;
}

/** What the last measurement of a rendition's pictures said, and what was chosen for it. */
export interface RenditionQuality {
  /** Null: constant quality would save nothing, and the whole bit rate is spent. */
  crf: number | null;
  needs_bps: number;
  ssim: number;
  profile_bps: number;
  profile_ssim: number;
  saved: number;
  cap_bps: number;
  carried_by?: string | null;
  carrier_ssim?: number | null;
  enlarged_ssim?: number | null;
  withdrawn: boolean;
}

export interface Channel {
  id: string;
  tenant_id: string;
  name: string;
  slug: string;
  public: boolean;
  takeover: Takeover;
  profile: string;
  state: ChannelState;
  created_at: string;
  /** The doors of the main input, and those of the backup. */
  ingest: IngestUrls & { backup?: IngestUrls };
  /** What the sound is brought to; 0 leaves it as it comes. */
  loudness_lufs: number;
  input_revert_s: number;
  slate_minutes: number;
  input: ChannelInput | null;
  viewers: number;
  renditions: { name: string; width: number; height: number; bitrate_bps: number; quality?: RenditionQuality | null }[];
  /** Whether measurements may change the profile's ladder. */
  ladder?: "adaptive" | "fixed";
  /** Who decides which input is shown: `auto`, or the one that is held by hand. */
  input_select?: string;
  /** Those that have a publisher now. */
  inputs?: { name: string; active: boolean }[];
}

/** What counts as wrong on a channel. Shares are 0 to 1, `*_alarm_s` is for how long before it is an alarm. */
export interface DetectorSettings {
  enabled: boolean;
  black_share: number;
  black_level: number;
  black_alarm_s: number;
  frozen_noise: number;
  frozen_alarm_s: number;
  silence_dbfs: number;
  silence_alarm_s: number;
  loud_max_lufs: number;
  loud_min_lufs: number;
  loudness_alarm_s: number;
  keyframe_max_s: number;
  bitrate_share: number;
  bitrate_alarm_s: number;
  fps_share: number;
  fps_alarm_s: number;
}

/** A language that a channel has captions in. */
export interface CaptionTrack {
  language: string;
  label: string;
}

/** A caption that was sent. */
export interface Cue {
  language: string;
  text: string;
  start: string;
  end: string;
}

export interface StreamKey {
  id: string;
  name: string;
  input: string;
  srt_encrypted: boolean;
  created_at: string;
}

export interface ApiKey {
  id: string;
  name: string;
  role: Role;
  created_at: string;
  last_used_at: string | null;
}

export interface AuditEntry {
  id: string;
  at: string;
  actor_kind: string;
  actor_id: string;
  action: string;
  subject_id: string;
  details: Record<string, unknown>;
}

export interface UsageLine {
  key: string | null;
  bytes_sent: number;
  bytes_received: number;
  sessions: number;
}

export interface WorkloadLine {
  id: string;
  kind: string;
  name: string;
  state: string;
  pid: number | null;
  restarts: number;
  cpu: number;
  memory_bytes: number;
  viewers: number;
  egress_bps: number;
}

export interface NodeLine {
  id: string;
  name: string;
  state: "unknown" | "alive" | "suspect" | "dead" | "draining";
  cpu: number;
  cores?: number;
  memory_bytes: number;
  viewers: number;
  egress_bps: number;
  workloads: WorkloadLine[];
}

export interface SiteLine {
  id: string;
  slug: string;
  name: string;
  region: string;
  latitude: number | null;
  longitude: number | null;
  role: "core" | "edge";
  nodes: NodeLine[];
}

export interface Overview {
  sites: SiteLine[];
  totals: { viewers: number; egress_bps: number; ingress_bps: number; channels_live?: number };
}

export interface ChannelEvent {
  id: string;
  state: ChannelState;
  viewers: number;
  viewers_by_site: Record<string, number>;
  ingress_bps: number;
  egress_bps: number;
  input: ChannelInput | null;
  inputs?: { name: string; active: boolean }[];
  latency_ms: { station: number | null; transcode: number | null };
  renditions: { name: string; bitrate_bps: number; fps: number; quality?: RenditionQuality }[];
  pulls?: Partial<Record<"main" | "backup", RelayStatus>>;
  destinations?: Record<string, RelayStatus>;
}

/** How a pull or a push is doing; `error` is empty when all is well. */
export interface RelayStatus {
  state: "waiting" | "connecting" | "running" | "retrying" | "ended";
  since: string | null;
  error: string;
  fps: number;
  bitrate_bps: number;
}

export interface Pull {
  input: "main" | "backup";
  url: string;
  file_id: string | null;
  file_name: string | null;
  loop: boolean;
  enabled: boolean;
  status: RelayStatus;
}

/** An uploaded film. The obstacles say why it cannot be used; empty when it can. */
export interface MediaFile {
  id: string;
  name: string;
  size_bytes: number;
  sha256: string;
  duration_ms: number;
  video: string;
  width: number;
  height: number;
  fps: number;
  audio: string;
  pull_obstacle: string;
  slate_obstacle: string;
  created_at: string;
}

export interface Destination {
  id: string;
  name: string;
  url: string;
  rendition: string;
  enabled: boolean;
  status: RelayStatus;
}

export type Severity = "warning" | "critical";

export interface Alarm {
  id: string;
  kind: string;
  severity: Severity;
  subject: { kind: string; id: string; name: string };
  message: string;
  hint: string;
  /** How often it was raised. */
  count: number;
  raised_at: string;
  last_seen_at: string;
  cleared_at: string | null;
  acknowledged_at: string | null;
  acknowledged_by: string | null;
}

export interface Sound {
  momentary_lufs?: number | null;
  short_term_lufs?: number | null;
  integrated_lufs?: number | null;
  /** By channel. */
  levels_dbfs: number[];
}

/** What detectors see and hear of a running show, once a second. */
export interface SightEvent {
  id: string;
  detectors: Record<string, boolean>;
  sound: Sound | null;
}

export interface SeenInput {
  name: string;
  active: boolean;
  site: string;
  codec: string;
  width: number;
  height: number;
  fps: number;
  bitrate_bps: number;
  audio: string;
  since: string;
  delay_ms: number | null;
  gop_s: number | null;
  drift_ms: number | null;
  clock_jumps: number;
  loss_percent: number | null;
  rtt_ms: number | null;
}

export interface ChannelSight {
  inputs: SeenInput[];
  on_slate: boolean;
  arrivals: {
    bitrate_bps: number;
    usual_bitrate_bps: number;
    fps: number;
    usual_fps: number;
    gop_ms: number;
    keyframe_age_s: number;
  } | null;
  sound: Sound | null;
  detectors: Record<string, boolean>;
  stages: { name: string; delay_ms: number | null }[];
  renditions: { name: string; fps: number; bitrate_bps: number; delay_ms: number; delay_max_ms: number }[];
  viewers: { by_site: Record<string, number>; by_protocol: Record<string, number>; by_rendition: Record<string, number> };
}

export interface QoeFigures {
  viewings: number;
  viewers: number;
  watched_s: number;
  startup_p50_ms: number | null;
  startup_p95_ms: number | null;
  latency_p50_ms: number | null;
  latency_p95_ms: number | null;
  rebuffers: number;
  rebuffer_share: number | null;
  switches: number;
  errors: number;
  renditions: Record<string, number>;
}

export interface Qoe {
  since: string;
  until: string;
  step_s: number;
  total: QoeFigures;
  points: (QoeFigures & { at: string })[];
  by_site: Record<string, QoeFigures>;
  by_region: Record<string, QoeFigures>;
  by_protocol: Record<string, QoeFigures>;
}

export interface Webhook {
  id: string;
  name: string;
  url: string;
  event_types: string[];
  enabled: boolean;
  disabled_reason: string;
  failures: number;
  failing_since: string | null;
  created_at: string;
}

export interface WebhookDelivery {
  id: string;
  event_id: string;
  event_type: string;
  data: Record<string, unknown>;
  state: "pending" | "delivered" | "dead";
  attempts: number;
  created_at: string;
  last_attempt_at: string | null;
  next_attempt_at: string | null;
  last_status: number | null;
  last_error: string;
  duration_ms: number | null;
}

export interface Incident {
  at: string;
  kind: string;
  node: string | null;
  workload: string | null;
  /** The channel it is about, where it is about one. */
  channel_id?: string;
  message: string;
}
