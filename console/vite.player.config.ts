import { defineConfig } from "vite";
import { quietTransport } from "./vite.quiet";

/** The player alone, as one ES module to embed anywhere: dist/player.js. */
export default defineConfig({
  plugins: [quietTransport()],
  publicDir: false,
  build: {
    target: "es2023",
    emptyOutDir: false,
    sourcemap: true,
    lib: { entry: "src/player/index.ts", formats: ["es"], fileName: () => "player.js" },
  },
});
