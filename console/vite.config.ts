import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { quietTransport } from "./vite.quiet";

/** Where `npm run dev` finds the API; the built console is served by the API itself. */
const API = process.env.SKYRIVER_URL ?? "http://127.0.0.1:7000";

export default defineConfig({
  plugins: [react(), quietTransport()],
  server: { proxy: { "/v1": API, "/healthz": API } },
  define: { __AUDIO_WORKLET__: JSON.stringify("/player/player-audio.js") },
  build: {
    target: "es2023",
    // Small files stay files: data: URLs would need a looser content security policy.
    assetsInlineLimit: 0,
    rolldownOptions: {
      input: { index: "index.html", embed: "embed.html" },
    },
  },
});
