/**
 * Tells the cloud how a viewing is going: every half minute, and when it or its page ends.
 *
 * A beacon carries what has come about since the last one. It is sent as text/plain by `navigator.sendBeacon`, which
 * any page may do without asking first (no CORS preflight), and which outlives the page. What is lost is lost: nothing
 * is sent twice. Nothing in it says who watches.
 */

import type { PlaybackSnapshot } from "./stats";

export const BEACON_MS = 30_000;
/** So that what a short visit was like is known, too. */
export const FIRST_BEACON_MS = 5_000;

/** The body of POST /v1/public/beacons. */
export interface Beacon {
  token: string;
  first: boolean;
  protocol: string;
  rendition: string;
  edge_node_id: string;
  startup_ms: number | null;
  latency_ms: number | null;
  watched_ms: number;
  rebuffers: number;
  rebuffer_ms: number;
  switches: number;
  errors: number;
}

export interface BeaconSource {
  /** The viewing so far; undefined when nothing is watched. */
  snapshot: () => PlaybackSnapshot | undefined;
  /** The ticket's `beacon_token`; undefined before the first ticket, and where the cloud takes none. */
  token: () => string | undefined;
}

type Send = (url: string, body: string) => void;

const send: Send = (url, body) => {
  // A failure means that the browser's queue is full or that a setting forbids it: the viewing goes on all the same.
  navigator.sendBeacon(url, body);
};

const grown = (now: number, before: number): number => Math.max(0, Math.round(now - before));
const whole = (value: number | undefined): number | null =>
  value === undefined || !Number.isFinite(value) || value < 0 ? null : Math.round(value);

/** What has come about between two snapshots of one viewing. */
export function beaconOf(token: string, now: PlaybackSnapshot, before: PlaybackSnapshot | undefined): Beacon {
  const startsNow = before?.startup_ms === undefined;
  return {
    token,
    first: before === undefined,
    protocol: now.protocol ?? "other",
    rendition: now.rendition,
    edge_node_id: now.edge_node_id,
    startup_ms: startsNow ? whole(now.startup_ms) : null,
    latency_ms: whole(now.latency_ms),
    watched_ms: grown(now.watched_ms, before?.watched_ms ?? 0),
    rebuffers: grown(now.rebuffer_count, before?.rebuffer_count ?? 0),
    rebuffer_ms: grown(now.rebuffer_ms, before?.rebuffer_ms ?? 0),
    switches: grown(now.switches, before?.switches ?? 0),
    errors: grown(now.errors, before?.errors ?? 0),
  };
}

/** Sends the beacons of one viewing. Make it when the viewing begins, `end` it before the viewing is closed. */
export class BeaconSender {
  private told: PlaybackSnapshot | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private ended = false;
  private readonly onHide = (): void => {
    if (document.visibilityState === "hidden") this.tell();
  };

  constructor(
    private readonly url: string,
    private readonly source: BeaconSource,
    private readonly post: Send = send,
  ) {
    this.later(FIRST_BEACON_MS);
    // The last event that mobile browsers reliably send before they end a page.
    document.addEventListener("visibilitychange", this.onHide);
  }

  end(): void {
    if (this.ended) return;
    this.tell();
    this.ended = true;
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.onHide);
  }

  private later(ms: number): void {
    this.timer = setTimeout(() => {
      this.tell();
      if (!this.ended) this.later(BEACON_MS);
    }, ms);
  }

  private tell(): void {
    const now = this.source.snapshot();
    const token = this.source.token();
    if (this.ended || !now || !token) return;
    const before = this.told?.session_id === now.session_id ? this.told : undefined;
    const beacon = beaconOf(token, now, before);
    // Before anything has happened there is nothing to tell; a viewing that never starts has errors or none at all.
    if (before === undefined && now.startup_ms === undefined && now.errors === 0) return;
    this.told = now;
    this.post(this.url, JSON.stringify(beacon));
  }
}
