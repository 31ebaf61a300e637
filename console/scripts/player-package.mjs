/**
 * Makes a package of the built player: types, package.json and README beside it, and `player.js` in the folder above,
 * the address that pages embed. Prints what a viewer has to fetch.
 *
 *     node scripts/player-package.mjs [dist]
 */

import process from "node:process";
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import ts from "typescript";

const dist = process.argv[2] ?? "dist";
const folder = join(dist, "player");
const root = join(import.meta.dirname, "..");
const own = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

writeTypes();
writeFileSync(
  join(folder, "package.json"),
  `${JSON.stringify(
    {
      name: "@skyriver/player",
      version: own.version,
      description: "The player of a Skyriver cloud: MoQ, LL-HLS and HLS in one custom element.",
      license: own.license,
      type: "module",
      main: "./player.js",
      types: "./types/index.d.ts",
      exports: { ".": { types: "./types/index.d.ts", default: "./player.js" }, "./package.json": "./package.json" },
      files: ["player.js", "player-audio.js", "chunks", "types", "README.md"],
      sideEffects: true,
    },
    null,
    2,
  )}\n`,
);
copyFileSync(join(root, "src/player/README.md"), join(folder, "README.md"));
writeFileSync(join(dist, "player.js"), 'export * from "./player/player.js";\n');

for (const name of ["player.js", "player-audio.js", ...readdirSync(join(folder, "chunks")).map((chunk) => `chunks/${chunk}`)]) {
  if (!name.endsWith(".js")) continue;
  const bytes = readFileSync(join(folder, name));
  const kib = (size) => `${(size / 1024).toFixed(0)} KiB`;
  console.log(`player/${name}: ${kib(bytes.length)}, ${kib(gzipSync(bytes).length)} gzip`);
}

function writeTypes() {
  rmSync(join(folder, "types"), { recursive: true, force: true });
  const config = ts.readConfigFile(join(root, "tsconfig.player.json"), (path) => readFileSync(path, "utf8"));
  const { options, fileNames } = ts.parseJsonConfigFileContent(config.config, ts.sys, root);
  const { emitSkipped, diagnostics } = ts
    .createProgram(fileNames, { ...options, outDir: join(folder, "types") })
    .emit();
  if (!emitSkipped) return;
  throw new Error(`the player's types could not be written: ${diagnostics.map((one) => ts.flattenDiagnosticMessageText(one.messageText, "\n")).join("; ")}`);
}
