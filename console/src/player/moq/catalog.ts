/**
 * The hang catalog: which renditions a broadcast has and how to decode them.
 *
 * The catalog's track carries one JSON snapshot per group; further frames of the same group, if any, are
 * RFC 7396 merge patches. Unknown fields are kept out, malformed renditions are left out one by one, so that one
 * bad entry never costs the picture.
 */

/** Ours, and not the library's own `catalog.json`: see fabric/hang.py. */
export const CATALOG_TRACK = "catalog.hang";

export type Container = "legacy" | "loc";

export interface VideoRendition {
  track: string;
  codec: string;
  container: Container;
  description?: Uint8Array;
  width: number;
  height: number;
  bitrate_bps: number;
  fps: number;
}

export interface AudioRendition {
  track: string;
  codec: string;
  container: Container;
  description?: Uint8Array;
  sample_rate_hz: number;
  channels: number;
  bitrate_bps: number;
  /** For people, and as BCP 47; empty when not told. Renditions that differ in the codec only have the same. */
  label: string;
  language: string;
}

/** A track of captions: see cues.ts. */
export interface TextRendition {
  track: string;
  label: string;
  language: string;
}

export interface Catalog {
  /** Largest picture first. */
  video: VideoRendition[];
  audio: AudioRendition[];
  text: TextRendition[];
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type JsonObject = { [key: string]: Json };

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Apply an RFC 7396 merge patch. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const merged = new Map<string, Json>(isObject(target) ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else merged.set(key, mergePatch(merged.get(key), value));
  }
  return Object.fromEntries(merged);
}

function number(value: Json | undefined, fallback = 0): number {
  return typeof value === "number" && Number.isFinite(value) ? value : fallback;
}

function text(value: Json | undefined): string {
  return typeof value === "string" ? value.slice(0, 80) : "";
}

/** Decode a hex string; undefined when it is not one. */
export function bytesFromHex(hex: string): Uint8Array | undefined {
  if (hex.length === 0 || hex.length % 2 !== 0 || !/^[0-9a-f]+$/i.test(hex)) return undefined;
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

function containerOf(entry: JsonObject): Container | undefined {
  const container = entry.container;
  if (container === undefined) return "legacy";
  if (!isObject(container)) return undefined;
  return container.kind === "legacy" || container.kind === "loc" ? container.kind : undefined;
}

function common(track: string, entry: Json): { entry: JsonObject; codec: string; container: Container; description?: Uint8Array } | undefined {
  if (!isObject(entry) || typeof entry.codec !== "string" || entry.codec === "" || track === "") return undefined;
  const container = containerOf(entry);
  if (container === undefined) return undefined;
  const description = typeof entry.description === "string" ? bytesFromHex(entry.description) : undefined;
  return { entry, codec: entry.codec, container, ...(description ? { description } : {}) };
}

function section(root: Json | undefined, name: string): [string, Json][] {
  if (!isObject(root)) return [];
  const part = root[name];
  if (!isObject(part) || !isObject(part.renditions)) return [];
  return Object.entries(part.renditions);
}

function videoRendition([track, value]: [string, Json]): VideoRendition[] {
  const base = common(track, value);
  if (!base) return [];
  const { entry, ...rest } = base;
  return [
    {
      track,
      ...rest,
      width: number(entry.codedWidth),
      height: number(entry.codedHeight),
      bitrate_bps: number(entry.bitrate),
      fps: number(entry.framerate),
    },
  ];
}

function audioRendition([track, value]: [string, Json]): AudioRendition[] {
  const base = common(track, value);
  if (!base) return [];
  const { entry, ...rest } = base;
  const sampleRate = number(entry.sampleRate);
  const channels = number(entry.numberOfChannels);
  if (sampleRate <= 0 || channels <= 0) return [];
  const bitrate_bps = number(entry.bitrate);
  return [{ track, ...rest, sample_rate_hz: sampleRate, channels, bitrate_bps, ...named(entry) }];
}

function named(entry: JsonObject): { label: string; language: string } {
  return { label: text(entry.label), language: text(entry.language) };
}

function textRendition([track, entry]: [string, Json]): TextRendition[] {
  return isObject(entry) && track !== "" ? [{ track, ...named(entry) }] : [];
}

/** Read a catalog value (parsed JSON). */
export function readCatalog(root: unknown): Catalog {
  const json = root as Json;
  const video = section(json, "video").flatMap(videoRendition);
  video.sort((a, b) => b.height - a.height || b.bitrate_bps - a.bitrate_bps || a.track.localeCompare(b.track));
  const audio = section(json, "audio").flatMap(audioRendition);
  return { video, audio, text: section(json, "captions").flatMap(textRendition) };
}

/** Follows one group of the catalog track: feed frames in order, get the catalog after each. */
export class CatalogGroup {
  private value: Json | undefined;
  private readonly decoder = new TextDecoder();

  /** @throws SyntaxError when the frame is not JSON. */
  apply(payload: Uint8Array): Catalog {
    const parsed = JSON.parse(this.decoder.decode(payload)) as Json;
    this.value = this.value === undefined ? parsed : mergePatch(this.value, parsed);
    return readCatalog(this.value);
  }
}

/** Sound tracks to choose from: one entry for all renditions of the same content. */
export function audioChoices(renditions: readonly AudioRendition[]): AudioRendition[] {
  const groups = new Map<string, AudioRendition[]>();
  for (const rendition of renditions) {
    const content = `${rendition.language} ${rendition.label}`;
    groups.set(content, [...(groups.get(content) ?? []), rendition]);
  }
  return [...groups.values()].flatMap((group) => pickCodec(group) ?? []);
}

/** The sound to play: the chosen track, or the first. */
export function pickAudio(renditions: readonly AudioRendition[], chosen?: string): AudioRendition | undefined {
  const choices = audioChoices(renditions);
  return choices.find((rendition) => rendition.track === chosen) ?? choices[0];
}

/** Opus first: it conceals loss and every browser with WebCodecs decodes it; AAC is there for HLS. */
function pickCodec(renditions: readonly AudioRendition[]): AudioRendition | undefined {
  return renditions.find((r) => r.codec.startsWith("opus")) ?? renditions[0];
}

/** Whether a decoder set up for `a` can go on with `b`. */
export function sameDecoder(a: VideoRendition, b: VideoRendition): boolean {
  return a.codec === b.codec && String(a.description ?? "") === String(b.description ?? "");
}
