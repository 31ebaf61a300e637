/**
 * One connection to one edge, as the player needs it: connect, follow tracks for ever, close. The only module that
 * knows @moq/net.
 */

import { Connection, Path } from "@moq/net";
import { CatalogGroup, CATALOG_TRACK, type Catalog, type Container } from "./catalog";
import { readLegacyFrame } from "./container";
import { readCues, type Cue } from "./cues";
import type { EdgeAddress, WatchTicket } from "../ticket";

/** Higher goes first when the link is narrow: speech before picture. */
const PRIORITY = { catalog: 100, audio: 80, text: 70, video: 60 } as const;
/**
 * WebTransport subprotocols, best first. From moq-lite-05 on a subscription asks for the track's properties first, which
 * costs a round trip before each first frame; our frames carry what a player needs, so the version before is enough.
 */
const PROTOCOLS = ["moq-lite-04", "moq-lite-05"] as const;
/** A subscription that failed is made again after this; doubles up to the maximum while the broadcast is away. */
const RETRY_MS = 100;
const RETRY_MAX_MS = 1000;
/** A media subscription that brings nothing for this long is made again: the publisher may have been replaced. */
const IDLE_MS = 3000;
/** How old a group that is not the newest may get before it is given up. */
const GROUP_AGE_MS = 3000;

export interface FrameSink {
  /** @param first whether it is the group's first frame, where decoding may start */
  frame(group: number, pts_us: number, data: Uint8Array, first: boolean): void;
  endOfGroup(group: number): void;
}

export interface TrackRequest {
  track: string;
  kind: "audio" | "video" | "text";
  container: Container;
  /** Leave out what began before this group; the newest one when it is not given. */
  start_group?: number;
}

/** A subscription that renews itself until closed. */
export interface Following {
  close(): void;
}

type Subscriber = ReturnType<ReturnType<ReturnType<Connection.Established["consume"]>["track"]>["subscribe"]>;
type Group = NonNullable<Awaited<ReturnType<Subscriber["recvGroup"]>>>;

function connectUrl(edge: EdgeAddress, ticket: WatchTicket): URL {
  const url = new URL(`${edge.url.replace(/\/$/, "")}/${ticket.space}`);
  url.searchParams.set("jwt", ticket.grant);
  return url;
}

export class EdgeSession {
  private followings = new Set<Following>();

  private constructor(
    private readonly connection: Connection.Established,
    private readonly broadcast: string,
  ) {}

  /** Connect; rejects when the edge refuses, cannot be reached, or `signal` aborts. */
  static async connect(edge: EdgeAddress, ticket: WatchTicket, signal: AbortSignal): Promise<EdgeSession> {
    const serverCertificateHashes = edge.certificate_sha256.map((value) => ({ algorithm: "sha-256" as const, value }));
    const connection = await Connection.connect(connectUrl(edge, ticket), {
      signal,
      websocket: { enabled: false },
      webtransport: {
        protocols: [...PROTOCOLS],
        ...(serverCertificateHashes.length > 0 ? { serverCertificateHashes } : {}),
      },
    });
    return new EdgeSession(connection, ticket.broadcast);
  }

  /** Resolves when the connection is over, whoever ended it. */
  get closed(): Promise<void> {
    return this.connection.closed.catch(() => undefined);
  }

  close(): void {
    for (const following of [...this.followings]) following.close();
    this.connection.close();
  }

  /** Bytes received so far on this connection; undefined where the browser does not tell. */
  async receivedBytes(): Promise<number | undefined> {
    return (await this.connection.stats()).bytesReceived;
  }

  /** Round-trip time as the edge measures it. */
  get rttMs(): number | undefined {
    return this.connection.probe.peek().rtt;
  }

  followCatalog(onCatalog: (catalog: Catalog) => void): Following {
    return this.follow(CATALOG_TRACK, PRIORITY.catalog, undefined, async (group) => {
      const state = new CatalogGroup();
      for (;;) {
        const frame = await group.readFrame();
        if (!frame) return;
        onCatalog(state.apply(frame.payload));
      }
    });
  }

  /** Captions come seldom, so their silence means nothing. */
  followText(track: string, onCues: (cues: Cue[]) => void): Following {
    return this.follow(track, PRIORITY.text, undefined, async (group, alive) => {
      for (;;) {
        const frame = await group.readFrame();
        if (!frame || !alive()) return;
        const media = readLegacyFrame(frame.payload);
        if (media) onCues(readCues(media.data));
      }
    });
  }

  followTrack(request: TrackRequest, sink: FrameSink): Following {
    const { start_group } = request;
    const read = async (group: Group, alive: () => boolean): Promise<void> => {
      if (start_group !== undefined && group.sequence < start_group) return;
      for (;;) {
        const frame = await group.readFrameSequence();
        if (!alive()) return;
        if (!frame) break;
        const first = frame.sequence === 0;
        if (request.container === "loc") {
          sink.frame(group.sequence, frame.timestamp.asMicros(), frame.payload, first);
          continue;
        }
        const media = readLegacyFrame(frame.payload);
        if (media) sink.frame(group.sequence, media.pts_us, media.data, first);
      }
      sink.endOfGroup(group.sequence);
    };
    return this.follow(request.track, PRIORITY[request.kind], IDLE_MS, read, start_group);
  }

  /**
   * Keep a subscription alive; every group is read by its own task, since groups may overlap on the wire.
   * `read` calls `alive` with each frame: it says whether to go on, and notes that the track lives.
   */
  private follow(
    track: string,
    priority: number,
    idleMs: number | undefined,
    read: (group: Group, alive: () => boolean) => Promise<void>,
    startGroup?: number,
  ): Following {
    const stop = new AbortController();
    let subscriber: Subscriber | undefined;
    let lastFrame = performance.now();
    const alive = (): boolean => {
      lastFrame = performance.now();
      return !stop.signal.aborted;
    };
    const idle = setInterval(() => {
      if (idleMs !== undefined && performance.now() - lastFrame > idleMs) subscriber?.close();
    }, IDLE_MS / 3);
    const following: Following = {
      close: () => {
        stop.abort();
        clearInterval(idle);
        subscriber?.close();
        this.followings.delete(following);
      },
    };
    this.followings.add(following);
    const run = async (): Promise<void> => {
      let retryMs = RETRY_MS;
      while (!stop.signal.aborted) {
        const broadcast = this.connection.consume(Path.from(this.broadcast));
        lastFrame = performance.now();
        try {
          subscriber = broadcast.track(track).subscribe({
            priority,
            latencyMax: GROUP_AGE_MS,
            ...(startGroup === undefined ? {} : { startGroup }),
          });
          for (;;) {
            const group = await subscriber.recvGroup();
            if (!group || !alive()) break;
            retryMs = RETRY_MS;
            // A group that breaks off costs its own tail only; the next group starts afresh.
            read(group, alive).catch(() => undefined);
          }
        } catch {
          // The broadcast is not there (yet, or for a moment): the loop asks again.
        } finally {
          subscriber?.close();
          broadcast.close();
        }
        await pause(retryMs, stop.signal);
        retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
      }
    };
    void run();
    return following;
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(end, signal.aborted ? 0 : ms);
    signal.addEventListener("abort", end, { once: true });
  });
}
