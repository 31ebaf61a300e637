import type { Plugin } from "vite";

/**
 * The transport library warns on the console of everything that ends: an edge that dies, a broadcast that has not
 * begun. The player handles all of that and says it in its own words, so these lines belong among the details.
 */
export function quietTransport(): Plugin {
  return {
    name: "quiet-transport",
    transform(code, id) {
      if (!id.includes("/@moq/net/") || !/console\.(warn|error)\(/.test(code)) return null;
      return { code: code.replace(/console\.(warn|error)\(/g, "console.debug("), map: null };
    },
  };
}
