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
  ingest: { rtmp_url: string | null };
  input: ChannelInput | null;
  viewers: number;
  renditions: { name: string; width: number; height: number; bitrate_bps: number }[];
}

export interface StreamKey {
  id: string;
  name: string;
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
  latency_ms: { station: number | null; transcode: number | null };
  renditions: { name: string; bitrate_bps: number; fps: number }[];
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
