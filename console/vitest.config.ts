import { defineConfig } from "vitest/config";

/** The pure parts only: what needs a real browser is tested in one, with the whole cloud. */
export default defineConfig({ test: { include: ["tests/**/*.test.ts"], environment: "node" } });
