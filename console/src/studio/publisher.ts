/**
 * One browser's broadcast, kept at an origin relay: dialled, dialled again, moved to a new session when its ticket has
 * been renewed. Tracks and their groups outlive every session. The only module of the studio that knows @moq/net.
 */

import { Broadcast, Connection, Group, Path, Time, type Track } from "@moq/net";
import { legacyFrame } from "./numbering";
import { renewTicket, type PublishTicket } from "./ticket";

const TRACK_PRIORITY = { catalog: 100, audio: 80, video: 60 } as const;
/** What the library's own publishers call their catalog; gates know it (src/skyriver/fabric/bridge.py). */
const CATALOG = "catalog.json";
const LATE_MS = 2000;
const REDIAL_FIRST_MS = 300;
const REDIAL_MAX_MS = 3000;
/** The relay learns of the new session's offer, and changes over, in a few round trips. */
const OVERLAP_MS = 1000;
/** What is written last must leave before the session is closed. */
const LINGER_MS = 300;

export interface VideoDescription {
  codec: string;
  width: number;
  height: number;
  framerate: number;
}

export interface AudioDescription {
  codec: string;
  sample_rate_hz: number;
  channels: number;
}

export type PublisherState = "connecting" | "connected" | "refused" | "closed";

class MediaTrack {
  private group: Group.Producer | undefined;
  private last = -1;

  constructor(private readonly track: Track.Producer) {}

  /** Whether anybody reads it: what nobody reads does not leave this machine. */
  get isRead(): boolean {
    return this.track.used.peek();
  }

  /** Write a frame; a `group` above the present one ends that and begins the new one. Returns the bytes that are to leave. */
  write(pts_us: number, size_bytes: number, copyTo: (target: Uint8Array<ArrayBuffer>) => void, group?: number): number {
    if (group !== undefined && group > this.last) {
      this.group?.close();
      this.group = new Group.Producer(group);
      this.last = group;
      this.track.writeGroup(this.group);
    }
    if (this.group === undefined) return 0;
    const payload = legacyFrame(pts_us, size_bytes, copyTo);
    this.group.writeFrame({ payload, timestamp: Time.Timestamp.fromMicros(pts_us) });
    return this.isRead ? payload.length : 0;
  }

  close(): void {
    this.group?.close();
  }
}

export class Publisher {
  readonly video: MediaTrack;
  readonly audio: MediaTrack;
  written_bytes = 0;
  private readonly broadcast = new Broadcast.Producer();
  private readonly catalog: Track.Producer;
  private description: { video?: VideoDescription; audio?: AudioDescription } = {};
  private session: Connection.Established | undefined;
  private sentBefore_bytes = 0;
  private writtenAtDial_bytes = 0;
  private readonly stop = new AbortController();
  private renewal: ReturnType<typeof setTimeout> | undefined;

  constructor(
    public ticket: PublishTicket,
    private readonly onState: (state: PublisherState) => void,
  ) {
    const info = (priority: number) => ({ priority, latencyMax: LATE_MS, timescale: Time.Timescale.MICRO });
    this.catalog = this.broadcast.createTrack(CATALOG, info(TRACK_PRIORITY.catalog));
    this.audio = new MediaTrack(this.broadcast.createTrack("audio", info(TRACK_PRIORITY.audio)));
    this.video = new MediaTrack(this.broadcast.createTrack("video", info(TRACK_PRIORITY.video)));
  }

  start(): void {
    void this.keep();
    this.renewLater();
  }

  /** What the tracks are; said anew it also asks to be heard again after a refusal. */
  describe(description: { video?: VideoDescription; audio?: AudioDescription }): void {
    this.description = description;
    this.writeCatalog();
  }

  describeAgain(): void {
    this.writeCatalog();
  }

  /** Bytes that have left this machine on the present session, on the scale of `written_bytes`. */
  async sentBytes(): Promise<number | undefined> {
    const session = this.session;
    if (session === undefined) return undefined;
    const { bytesSent } = await session.stats();
    if (bytesSent === undefined) return undefined;
    // More than was written left: headers, and what a new reader gets of the open group.
    this.sentBefore_bytes = Math.max(this.sentBefore_bytes, bytesSent - (this.written_bytes - this.writtenAtDial_bytes));
    return this.writtenAtDial_bytes + bytesSent - this.sentBefore_bytes;
  }

  get rtt_ms(): number | undefined {
    return this.session?.probe.peek().rtt;
  }

  /** Say that it is over, and leave. */
  async close(): Promise<void> {
    clearTimeout(this.renewal);
    this.description = {};
    this.writeCatalog();
    await pause(LINGER_MS);
    this.stop.abort();
    this.video.close();
    this.audio.close();
    this.broadcast.close();
    this.session?.close();
    this.onState("closed");
  }

  private writeCatalog(): void {
    const { video, audio } = this.description;
    const container = { kind: "legacy" };
    const document = {
      ...(video && {
        video: {
          renditions: {
            video: { codec: video.codec, codedWidth: video.width, codedHeight: video.height, framerate: video.framerate, container },
          },
        },
      }),
      ...(audio && {
        audio: {
          renditions: {
            audio: { codec: audio.codec, sampleRate: audio.sample_rate_hz, numberOfChannels: audio.channels, container },
          },
        },
      }),
    };
    // Numbered by time, so that a page that is opened again finds the next number above its predecessor's.
    const group = new Group.Producer(this.catalogNumber());
    this.catalog.writeGroup(group);
    group.writeFrame({ payload: new TextEncoder().encode(JSON.stringify(document)), timestamp: Time.Timestamp.now() });
    group.close();
  }

  private lastCatalog = 0;

  private catalogNumber(): number {
    this.lastCatalog = Math.max(this.lastCatalog + 1, Date.now());
    return this.lastCatalog;
  }

  private async keep(): Promise<void> {
    let wait_ms = REDIAL_FIRST_MS;
    for (let attempt = 0; ; attempt++) {
      this.onState("connecting");
      try {
        const session = await this.dial(attempt);
        wait_ms = REDIAL_FIRST_MS;
        this.use(session);
        await this.untilLost(session);
      } catch (error) {
        if (refused(error)) this.onState("refused");
      }
      if (this.stop.signal.aborted) return;
      await pause(wait_ms);
      wait_ms = Math.min(wait_ms * 2, REDIAL_MAX_MS);
    }
  }

  private async dial(attempt: number): Promise<Connection.Established> {
    const { origins, space, grant } = this.ticket;
    const origin = origins[attempt % Math.max(origins.length, 1)];
    if (!origin) throw new Error("there is no relay to publish to");
    const url = new URL(`${origin.url.replace(/\/$/, "")}/${space}`);
    url.searchParams.set("jwt", grant);
    const serverCertificateHashes = origin.certificate_sha256.map((value) => ({ algorithm: "sha-256" as const, value }));
    const session = await Connection.connect(url, {
      signal: AbortSignal.any([this.stop.signal, AbortSignal.timeout(5000)]),
      websocket: { enabled: false },
      ...(serverCertificateHashes.length > 0 ? { webtransport: { serverCertificateHashes } } : {}),
    });
    session.publish(Path.from(this.ticket.broadcast), this.broadcast);
    return session;
  }

  private use(session: Connection.Established): void {
    this.session = session;
    this.writtenAtDial_bytes = this.written_bytes;
    this.sentBefore_bytes = 0;
    void session.stats().then((stats) => (this.sentBefore_bytes = stats.bytesSent ?? 0));
    this.onState("connected");
  }

  /** Resolves when the session in use is gone; one that was replaced on purpose does not count. */
  private async untilLost(session: Connection.Established): Promise<void> {
    await session.closed.catch(() => undefined);
    const now = this.session;
    if (now !== undefined && now !== session) await this.untilLost(now);
    this.session = undefined;
  }

  private renewLater(): void {
    const left_ms = new Date(this.ticket.expires_at).getTime() - Date.now();
    this.renewal = setTimeout(() => void this.renew(), Math.max(left_ms / 2, 10_000));
  }

  /** A session under the new ticket beside the old one, which is closed once the relay has changed over. */
  private async renew(): Promise<void> {
    try {
      this.ticket = await renewTicket(this.ticket);
      const old = this.session;
      if (old !== undefined) {
        this.use(await this.dial(0));
        await pause(OVERLAP_MS);
        old.close();
      }
    } catch {
      // The API or the relay is away: half of the time is left to try again.
    }
    if (!this.stop.signal.aborted) this.renewLater();
  }
}

function refused(error: unknown): boolean {
  return error instanceof Error && /40[13]/.test(error.message);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
