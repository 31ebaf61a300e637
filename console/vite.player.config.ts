import { defineConfig } from "vite";
import { quietTransport } from "./vite.quiet";

/**
 * The player alone, as an ES module to put into any page, with what it needs beside it: dist/player/. hls.js is a
 * chunk of its own, which only those fetch who play HLS. scripts/player-package.mjs makes a package of the folder.
 */
export default defineConfig({
  plugins: [quietTransport()],
  publicDir: false,
  define: { __AUDIO_WORKLET__: JSON.stringify("./player-audio.js") },
  build: {
    target: "es2023",
    outDir: "dist/player",
    sourcemap: true,
    lib: { entry: "src/player/index.ts", formats: ["es"], fileName: () => "player.js" },
    minify: true,
    rolldownOptions: { output: { chunkFileNames: "chunks/[name]-[hash].js", minify: true } },
  },
});
