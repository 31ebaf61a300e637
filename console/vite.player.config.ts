import { defineConfig } from "vite";

/** The player alone, as one ES module to embed anywhere: dist/player.js. */
export default defineConfig({
  publicDir: false,
  build: {
    target: "es2023",
    emptyOutDir: false,
    sourcemap: true,
    lib: { entry: "src/player/index.ts", formats: ["es"], fileName: () => "player.js" },
  },
});
