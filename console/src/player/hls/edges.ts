/**
 * Which node serves HLS, when several do. Pure.
 *
 * Playlists and segments have the same names on every node, so that a viewer changes the node by changing the front of
 * the addresses: the media element and its buffer notice nothing. A node that failed rests, twice as long each time in
 * a row; when all rest, the one that rests least longer is asked.
 */

import type { HlsAddress } from "../ticket";

const REST_MS = 2000;
const REST_MAX_MS = 60_000;

interface Rest {
  until_ms: number;
  failures: number;
}

/** The folder of a playlist: its address without query and last name. */
function folderOf(url: string): string {
  const bare = url.split(/[?#]/, 1)[0] ?? url;
  return bare.slice(0, bare.lastIndexOf("/") + 1);
}

export class HlsEdges {
  private addresses: HlsAddress[] = [];
  private index = 0;
  private readonly rests = new Map<string, Rest>();
  /** Folders of every address ever named: requests that were planned long ago still find their way. */
  private readonly folders = new Set<string>();

  constructor(
    addresses: readonly HlsAddress[],
    private readonly now: () => number,
  ) {
    this.replace(addresses);
  }

  get current(): HlsAddress | undefined {
    return this.addresses[this.index];
  }

  get count(): number {
    return this.addresses.length;
  }

  /** A fresh list. The node that serves now goes on as long as it is listed, also under a renewed grant. */
  replace(addresses: readonly HlsAddress[]): void {
    const serving = this.current?.node_id;
    this.addresses = [...addresses];
    for (const address of addresses) this.folders.add(folderOf(address.url));
    const again = this.addresses.findIndex((address) => address.node_id === serving);
    this.index = Math.max(0, again);
  }

  /** The address of the same thing at the node that serves now. */
  rewrite(url: string): string {
    const { current } = this;
    if (!current) return url;
    const to = folderOf(current.url);
    for (const from of this.folders) {
      if (from !== to && url.startsWith(from)) return to + url.slice(from.length);
    }
    return url;
  }

  /** Something arrived from the node that serves now. */
  served(): void {
    if (this.current) this.rests.delete(this.current.node_id);
  }

  /**
   * A request to `url` failed. Returns true when another node serves from now on; a late failure of a node that was
   * left already changes nothing and returns true as well, because asking again goes elsewhere.
   */
  failed(url: string): boolean {
    const { current } = this;
    if (!current || this.addresses.length < 2) return false;
    if (!url.startsWith(folderOf(current.url))) return true;
    const now_ms = this.now();
    const failures = (this.rests.get(current.node_id)?.failures ?? 0) + 1;
    this.rests.set(current.node_id, { until_ms: now_ms + Math.min(REST_MS * 2 ** (failures - 1), REST_MAX_MS), failures });
    const until = (address: HlsAddress): number => {
      const at = this.rests.get(address.node_id)?.until_ms ?? 0;
      return at <= now_ms ? 0 : at; // all rested ones are alike: the rank decides
    };
    const others = this.addresses.filter((address) => address !== current);
    const best = others.reduce((a, b) => (until(b) < until(a) ? b : a));
    this.index = this.addresses.indexOf(best);
    return true;
  }
}
