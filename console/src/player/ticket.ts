/**
 * What the API hands a viewer: the right to watch one broadcast, and the edges to watch it from, best first.
 *
 * Times are milliseconds since the Unix epoch unless the name says otherwise.
 */

export interface EdgeAddress {
  node_id: string;
  site: string;
  region?: string;
  url: string;
  /** Hex SHA-256 of the edge's current and next certificates; empty when a public authority signed it. */
  certificate_sha256: string[];
  rank?: number;
  reason?: string;
}

/** One node that serves the channel over HTTP; segments have the same names on every node. */
export interface HlsAddress {
  node_id: string;
  /** The multivariant playlist. */
  url: string;
  dash_url?: string;
  /** Whether its playlists list parts (LL-HLS). */
  ll: boolean;
}

export interface WatchTicket {
  channel_id: string;
  space: string;
  broadcast: string;
  grant: string;
  expires_at: string;
  edges: EdgeAddress[];
  /** Best first; absent or empty where nothing is delivered over HTTP. */
  hls?: HlsAddress[];
  /** The broadcast's catalog as it was lately: saves a round trip before the first picture. */
  catalog?: unknown;
  latency_target_ms?: number;
  /** Where a POST opens the running show's past; null where viewers may not go back. */
  dvr_url?: string | null;
  /** For telling how the viewing goes, see `beacons`; absent where the cloud takes none. */
  beacon_token?: string;
}

/** Where tickets come from. The console, the embed page and tests bring their own. */
export type TicketSource = (signal: AbortSignal) => Promise<WatchTicket>;

export type TicketFailure = "not_found" | "not_allowed" | "not_ready" | "busy" | "unreachable";

/** Why no ticket came, in the viewer's terms. */
export class TicketError extends Error {
  constructor(
    readonly failure: TicketFailure,
    message: string,
    readonly retryAfterMs?: number,
  ) {
    super(message);
    this.name = "TicketError";
  }

  /** Whether asking again later can help without anybody changing anything. */
  get retryable(): boolean {
    return this.failure !== "not_found" && this.failure !== "not_allowed";
  }
}

function failureOf(status: number): TicketFailure {
  if (status === 404 || status === 410) return "not_found";
  if (status === 401 || status === 403) return "not_allowed";
  if (status === 429) return "busy";
  if (status >= 500 && status !== 503) return "unreachable";
  return "not_ready";
}

interface Problem {
  title?: string;
  detail?: string;
  hint?: string;
}

async function problemOf(response: Response): Promise<string> {
  try {
    const problem = (await response.json()) as Problem;
    return [problem.detail ?? problem.title, problem.hint].filter(Boolean).join(" ");
  } catch {
    return `HTTP ${response.status}`;
  }
}

/** Turn the answer of a watch request into a ticket, or into an error that says what kind of trouble it is. */
export async function readTicket(response: Response): Promise<WatchTicket> {
  if (!response.ok) {
    const retryAfterS = Number(response.headers.get("retry-after"));
    throw new TicketError(
      failureOf(response.status),
      await problemOf(response),
      Number.isFinite(retryAfterS) && retryAfterS > 0 ? retryAfterS * 1000 : undefined,
    );
  }
  return (await response.json()) as WatchTicket;
}

/** A source that POSTs to `url`; same-origin requests carry the session cookie. */
export function httpTicketSource(url: string, headers: Record<string, string> = {}): TicketSource {
  return async (signal) => {
    let response: Response;
    try {
      response = await fetch(url, {
        method: "POST",
        signal,
        credentials: "same-origin",
        headers: { "Content-Type": "application/json", "X-Skyriver-Csrf": "1", ...headers },
        body: "{}",
      });
    } catch (cause) {
      if (signal.aborted) throw cause;
      throw new TicketError("unreachable", cause instanceof Error ? cause.message : String(cause));
    }
    return readTicket(response);
  };
}

/** The URL of the watch request of a public channel named `tenant/channel`. */
export function publicWatchUrl(api: string, channel: string): string {
  const [tenant, slug] = channel.split("/", 2);
  const path = `/v1/public/${encodeURIComponent(tenant ?? "")}/${encodeURIComponent(slug ?? "")}/watch`;
  return new URL(path, api).toString();
}

/** Renew when a fifth of the grant's life is left: enough for several tries, never so early that it doubles the load. */
const RENEWAL_SHARE = 0.8;
/** setTimeout takes a signed 32-bit number of milliseconds. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Milliseconds from `nowMs` until the grant should be renewed; never under one second, so that a wrong clock cannot spin. */
export function renewalDelayMs(expiresAt: string, nowMs: number): number {
  const expiresMs = Date.parse(expiresAt);
  if (!Number.isFinite(expiresMs)) return 60_000;
  const delay = (expiresMs - nowMs) * RENEWAL_SHARE;
  return Math.min(Math.max(delay, 1000), LONGEST_TIMER_MS);
}

/** Milliseconds to wait before asking for a ticket for the n-th time in a row (first retry: n = 1). */
export function ticketBackoffMs(attempt: number, retryAfterMs?: number): number {
  return retryAfterMs ?? Math.min(500 * 2 ** Math.max(0, attempt - 1), 5000);
}
