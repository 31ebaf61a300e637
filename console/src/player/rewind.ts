/**
 * Going back in a running show: what of it can be played, and the viewing of it while somebody does.
 *
 * The live viewing is paused meanwhile, not closed, so that coming back takes no longer than a resume. Places are when
 * something was on the air, in seconds since the Unix epoch by the cloud's clock: the viewer's own may be wrong.
 */

import { HlsViewing } from "./hls/viewing";
import type { Timeline, ViewingOptions } from "./viewing";

/** What the cloud says of a running show's past. */
export interface Past {
  hls_url: string;
  /** When the recording begins. */
  start_s: number;
  window_s: number;
}

/** Less than this is not worth a bar: it takes some seconds until a segment is recorded. */
const WINDOW_MIN_S = 20;
/** Nearer to the edge than this means: live. Less than a step of the arrow keys. */
const LIVE_S = 4;
/** What is recorded last can be played so long after it was on the air; nearer, the picture would stop and go. */
const RECORDED_S = 10;
/** A show that has just begun has nothing recorded yet. */
const RETRY_MS = 15_000;
/** A thousand people who came at once do not ask for the past at once, too. */
const SPREAD_MS = 4000;
const ANEW_MS = 60_000;

export interface RewindEvents {
  /** Options of a viewing of the past, from a moment on. */
  options(): ViewingOptions;
  /** The past is shown from now on, or another place of it. */
  entered(viewing: HlsViewing): void;
  left(): void;
  /** It could not be had. */
  failed(): void;
}

export class Rewind {
  private url: string | undefined;
  private past: Past | undefined;
  private shown: HlsViewing | undefined;
  private target_s: number | undefined;
  private asking: AbortController | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** How far behind this machine's clock the live picture is, which may be a wrong clock. */
  private lag_s: number | undefined;
  private asked_ms = -Infinity;

  constructor(private readonly events: RewindEvents) {}

  /** The viewing of the past, while it is shown. */
  get viewing(): HlsViewing | undefined {
    return this.shown;
  }

  /** What a ticket says: where to ask. */
  offer(url: string | undefined): void {
    if (url === this.url) return;
    this.url = url;
    this.past = undefined;
    clearTimeout(this.timer);
    if (url !== undefined) this.look(Math.random() * SPREAD_MS);
  }

  /** The live picture is so old, by this machine's clock. */
  observe(latency_ms: number): void {
    if (latency_ms !== 0) this.lag_s = latency_ms / 1000;
  }

  /** Live pictures come (again): maybe those of another show than before. */
  begins(): void {
    if (this.url !== undefined && performance.now() - this.asked_ms > ANEW_MS) this.look(SPREAD_MS * Math.random());
  }

  timeline(): Timeline | undefined {
    const edge_s = this.edge_s();
    if (!this.past || edge_s === undefined) return undefined;
    const start_s = windowStart(this.past, edge_s);
    if (edge_s - start_s < WINDOW_MIN_S) return undefined;
    const { shown } = this;
    const at_s = shown ? (this.target_s ?? shown.airtime_s ?? edge_s) : (this.target_s ?? edge_s);
    const rate = shown?.surface.playbackRate;
    return { start_s, end_s: edge_s, position_s: Math.min(Math.max(at_s, start_s), edge_s), live: true, rate };
  }

  seek(to_s: number): void {
    const edge_s = this.edge_s();
    if (!this.past || edge_s === undefined) return;
    if (to_s > edge_s - LIVE_S) {
      this.leave();
      return;
    }
    const target_s = Math.max(Math.min(to_s, edge_s - RECORDED_S), windowStart(this.past, edge_s) + 1);
    if (this.shown) {
      this.target_s = undefined;
      this.shown.seekAirtime(target_s);
      return;
    }
    this.target_s = target_s;
    if (!this.asking) void this.enter();
  }

  /** Pictures of the past have come: where they are from is known from now on. */
  painted(): void {
    this.target_s = undefined;
  }

  /** Back to what is on the air now. */
  leave(): void {
    this.asking?.abort();
    this.asking = this.target_s = undefined;
    const { shown } = this;
    if (!shown) return;
    this.shown = undefined;
    shown.close();
    this.events.left();
  }

  close(): void {
    this.url = undefined; // who is being asked answers to nobody
    clearTimeout(this.timer);
    this.asking?.abort();
    this.shown?.close();
    this.shown = undefined;
  }

  private edge_s(): number | undefined {
    return this.lag_s === undefined ? undefined : Date.now() / 1000 - this.lag_s;
  }

  private look(wait_ms: number): void {
    clearTimeout(this.timer);
    this.asked_ms = performance.now();
    this.timer = setTimeout(() => {
      const { url } = this;
      if (url === undefined) return;
      void askPast(url).then((past) => {
        if (url !== this.url) return;
        if (past) this.past = past;
        else this.look(RETRY_MS);
      });
    }, wait_ms);
  }

  /** With a fresh address: the show may be another one, and a grant does not last for ever. */
  private async enter(): Promise<void> {
    const asking = (this.asking = new AbortController());
    const past = this.url === undefined ? undefined : await askPast(this.url, asking.signal);
    if (asking.signal.aborted) return;
    this.asking = undefined;
    const [edge_s, target_s] = [this.edge_s(), this.target_s];
    if (!past || edge_s === undefined || target_s === undefined) {
      this.target_s = undefined;
      this.events.failed();
      return;
    }
    this.past = past;
    const from_air_s = Math.max(target_s, windowStart(past, edge_s));
    const from_place_s = from_air_s - windowStart(past, edge_s);
    const address = { node_id: "", url: past.hls_url, ll: false };
    this.shown = new HlsViewing("hls", [address], { ...this.events.options(), from_air_s, from_place_s });
    this.events.entered(this.shown);
  }
}

/** Where the window begins while the live edge is at `edge_s`. */
export function windowStart({ start_s, window_s }: Past, edge_s: number): number {
  return Math.max(start_s, edge_s - window_s);
}

/** Undefined where there is nothing (yet), or it cannot be had now. */
async function askPast(url: string, signal?: AbortSignal): Promise<Past | undefined> {
  try {
    const headers = { "Content-Type": "application/json", "X-Skyriver-Csrf": "1" };
    const response = await fetch(url, { method: "POST", credentials: "same-origin", headers, ...(signal ? { signal } : {}) });
    return response.ok ? readPast(await response.json(), url) : undefined;
  } catch {
    return undefined;
  }
}

/** The answer of the cloud; addresses in it may be relative to the one that was asked. */
export function readPast(answer: unknown, url: string): Past | undefined {
  if (typeof answer !== "object" || answer === null) return undefined;
  const { hls_url, start, window_s } = answer as Partial<Record<string, unknown>>;
  const start_s = typeof start === "string" ? Date.parse(start) / 1000 : NaN;
  if (typeof hls_url !== "string" || !Number.isFinite(start_s)) return undefined;
  return { hls_url: new URL(hls_url, url).href, start_s, window_s: typeof window_s === "number" ? window_s : Infinity };
}
