/**
 * Loads for hls.js from whichever node serves now. A failed or silent node costs one request: it is asked again at
 * the next node at once, before hls.js hears of it.
 */

import type Hls from "hls.js";
import type {
  HlsConfig, Loader, LoaderCallbacks, LoaderConfiguration, LoaderContext, LoaderResponse, LoaderStats,
} from "hls.js";
import type { HlsEdges } from "./edges";

export interface LoaderEvents {
  /** The node was left for another. */
  moved(from_node: string): void;
  /** So many bytes came. */
  received(bytes: number): void;
  trouble(word: string): void;
}

type LoaderClass = new (config: HlsConfig) => Loader<LoaderContext>;

/** A class for hls.js's setting `loader`. */
export function loaderOver(library: typeof Hls, edges: HlsEdges, events: LoaderEvents): LoaderClass {
  const Plain = library.DefaultConfig.loader;

  return class EdgeLoader implements Loader<LoaderContext> {
    /** One for all attempts: hls.js takes hold of it before it calls `load`. */
    readonly stats: LoaderStats;
    private inner: Loader<LoaderContext>;
    private gone = false;

    constructor(private readonly config: HlsConfig) {
      this.inner = new Plain(config);
      this.stats = this.inner.stats;
    }

    get context(): LoaderContext | null {
      return this.inner.context;
    }

    getCacheAge = (): number | null => this.inner.getCacheAge?.() ?? null;
    getResponseHeader = (name: string): string | null => this.inner.getResponseHeader?.(name) ?? null;

    destroy(): void {
      this.gone = true;
      this.inner.destroy();
    }

    abort(): void {
      this.gone = true;
      this.inner.abort();
    }

    load(context: LoaderContext, config: LoaderConfiguration, callbacks: LoaderCallbacks<LoaderContext>): void {
      // Asking the same node again is the last thing to do, and hls.js does it when all were asked.
      const loadPolicy = { ...config.loadPolicy, errorRetry: null, timeoutRetry: null };
      this.attempt(context, { ...config, loadPolicy }, callbacks, edges.count);
    }

    private attempt(
      context: LoaderContext,
      config: LoaderConfiguration,
      callbacks: LoaderCallbacks<LoaderContext>,
      left: number,
    ): void {
      context.url = edges.rewrite(context.url);
      const asked = context.url;
      const again = (word: string): boolean => {
        events.trouble(word);
        const before = edges.current?.node_id ?? "";
        if (this.gone || left <= 1 || !edges.failed(asked)) return false;
        if (edges.current?.node_id !== before) events.moved(before);
        this.inner.destroy();
        this.inner = new Plain(this.config);
        this.inner.stats = Object.assign(this.stats, this.inner.stats);
        this.attempt(context, config, callbacks, left - 1);
        return true;
      };
      this.inner.load(context, config, {
        ...callbacks,
        onSuccess: (response, stats, ...rest) => {
          edges.served();
          events.received(sizeOf(response));
          callbacks.onSuccess(response, stats, ...rest);
        },
        onError: (error, ...rest) => {
          if (!again(error.code >= 400 ? "hls_refused" : "hls_unreachable")) callbacks.onError(error, ...rest);
        },
        onTimeout: (...rest) => {
          if (!again("hls_timeout")) callbacks.onTimeout(...rest);
        },
      });
    }
  };
}

function sizeOf(response: LoaderResponse): number {
  const { data } = response;
  if (data instanceof ArrayBuffer) return data.byteLength;
  return typeof data === "string" ? data.length : 0;
}
