/** hls.js, fetched only when it is needed: viewers over MoQ never pay for it. */

import type Hls from "hls.js";

export async function loadLibrary(): Promise<typeof Hls> {
  const module = await import("hls.js/dist/hls.min.mjs");
  return module.default;
}
