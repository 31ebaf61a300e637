import { defineConfig } from "vite";

/** The player's audio thread; browsers load a worklet from a URL of its own: dist/player/player-audio.js. */
export default defineConfig({
  publicDir: false,
  build: {
    target: "es2023",
    outDir: "dist/player",
    emptyOutDir: false,
    lib: { entry: "src/player/moq/audio-worklet.ts", formats: ["es"], fileName: () => "player-audio.js" },
  },
});
