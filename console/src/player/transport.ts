/**
 * Which way pictures come: pure rules. MoQ first, because it is seconds ahead of everything else; LL-HLS where the
 * browser or the network cannot do MoQ; HLS of whole segments where even that stalls.
 */

import type { Protocol } from "./stats";
import type { HlsAddress } from "./ticket";

/** What the page may ask for: `hls` stands for both kinds. */
export type TransportWish = "auto" | "moq" | "hls";

export interface Capabilities {
  /** WebTransport and WebCodecs exist in secure contexts only (https, or a loopback address). */
  secure: boolean;
  webtransport: boolean;
  webcodecs: boolean;
  /** Media Source Extensions, in either form (`ManagedMediaSource` on iPhones). */
  mse: boolean;
  /** The browser itself plays HLS, as Safari does. */
  native_hls: boolean;
}

/** A working way is remembered for this long; then MoQ is given another chance. */
export const MEMORY_MS = 10 * 60_000;

export function capabilitiesOf(scope: typeof globalThis): Capabilities {
  const video = scope.document.createElement("video");
  return {
    secure: scope.isSecureContext,
    webtransport: "WebTransport" in scope,
    webcodecs: "VideoDecoder" in scope && "AudioDecoder" in scope,
    mse: "MediaSource" in scope || "ManagedMediaSource" in scope,
    native_hls: video.canPlayType("application/vnd.apple.mpegurl") !== "",
  };
}

export function wishOf(attribute: string | null): TransportWish {
  return attribute === "moq" || attribute === "hls" ? attribute : "auto";
}

/**
 * The ways to try, in this order; empty when there is none.
 * @param edges how many MoQ edges the ticket names
 * @param remembered the way that worked lately, when MoQ did not
 */
export function transportsFor(
  wish: TransportWish,
  can: Capabilities,
  offer: { edges: number; hls: readonly HlsAddress[] },
  remembered?: Protocol,
): Protocol[] {
  // A channel that begins has no edges yet; waiting for them is MoQ's business, unless HLS is there already.
  const moq = wish !== "hls" && canMoq(can) && (offer.edges > 0 || offer.hls.length === 0);
  const hls = wish !== "moq" && (can.mse || can.native_hls);
  const ways: Protocol[] = [];
  if (moq) ways.push("moq");
  if (hls && offer.hls.some((address) => address.ll)) ways.push("ll-hls");
  if (hls && offer.hls.length > 0) ways.push("hls");
  if (remembered === undefined || !ways.includes(remembered)) return ways;
  return [remembered, ...ways.filter((way) => way !== remembered)];
}

function canMoq(can: Capabilities): boolean {
  return can.secure && can.webtransport && can.webcodecs;
}

/** Why there is no way, as a word of ui/words.ts. */
export function reasonForNone(can: Capabilities): "insecure" | "unsupported" {
  return can.secure ? "unsupported" : "insecure";
}

/** Where the way that worked is kept for the session of this tab. */
export class TransportMemory {
  private static readonly KEY = "skyriver-transport";

  constructor(
    private readonly store: Pick<Storage, "getItem" | "setItem" | "removeItem"> | undefined,
    private readonly now: () => number = Date.now,
  ) {}

  recall(): Protocol | undefined {
    try {
      const [way, at] = (this.store?.getItem(TransportMemory.KEY) ?? "").split(" ");
      if (way !== "ll-hls" && way !== "hls") return undefined;
      return this.now() - Number(at) < MEMORY_MS ? way : undefined;
    } catch {
      return undefined; // storage may be forbidden, as in a sandboxed frame
    }
  }

  /** `way` plays. MoQ is what is tried first anyway, so it only clears the memory. */
  worked(way: Protocol): void {
    try {
      if (way === "moq") this.store?.removeItem(TransportMemory.KEY);
      else if (this.recall() !== way) this.store?.setItem(TransportMemory.KEY, `${way} ${this.now()}`);
    } catch {
      // Then the next start tries MoQ first again, which costs a moment and nothing else.
    }
  }
}

/** `sessionStorage`, or nothing where the page may not have it. */
export function tabStorage(): Storage | undefined {
  try {
    return globalThis.sessionStorage;
  } catch {
    return undefined;
  }
}
