import { defineConfig } from "vite";

/** The player's audio thread; browsers load a worklet from a URL of its own: dist/player-audio.js. */
export default defineConfig({
  publicDir: false,
  build: {
    target: "es2023",
    emptyOutDir: false,
    lib: { entry: "src/player/moq/audio-worklet.ts", formats: ["es"], fileName: () => "player-audio.js" },
  },
});
