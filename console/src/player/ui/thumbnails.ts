/**
 * Preview pictures for the seek bar: a WebVTT file whose cues name a picture, or a part of one
 * (`sprite.jpg#xywh=160,90,160,90`, W3C Media Fragments 1.0 section 4.2.2).
 */

export interface Thumbnail {
  url: string;
  x: number;
  y: number;
  width: number;
  height: number;
}

interface Cue extends Thumbnail {
  start_s: number;
  end_s: number;
}

const TIMES = /^((?:\d+:)?\d{2}:\d{2}\.\d{3})\s+-->\s+((?:\d+:)?\d{2}:\d{2}\.\d{3})/;
const MAX_CUES = 20_000;

function secondsOf(text: string): number {
  return text.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
}

function pictureOf(target: string, base: string): Thumbnail | undefined {
  const [name = "", fragment = ""] = target.split("#xywh=");
  const [x = 0, y = 0, width = 160, height = 90] = fragment.replace("pixel:", "").split(",").filter(Boolean).map(Number);
  if (![x, y, width, height].every(Number.isFinite) || !URL.canParse(name, base)) return undefined;
  return { url: new URL(name, base).href, x, y, width, height };
}

export class Thumbnails {
  private constructor(private readonly cues: Cue[]) {}

  /** @param base where the file came from: pictures are named relative to it */
  static parse(text: string, base: string): Thumbnails {
    const cues: Cue[] = [];
    const lines = text.split(/\r?\n/);
    for (let i = 0; i < lines.length && cues.length < MAX_CUES; i++) {
      const times = TIMES.exec(lines[i] ?? "");
      const target = lines[i + 1]?.trim();
      if (!times || !target) continue;
      const picture = pictureOf(target, base);
      if (picture) cues.push({ start_s: secondsOf(times[1] ?? ""), end_s: secondsOf(times[2] ?? ""), ...picture });
    }
    return new Thumbnails(cues);
  }

  static async load(url: string, signal: AbortSignal): Promise<Thumbnails | undefined> {
    try {
      const response = await fetch(url, { signal });
      return response.ok ? Thumbnails.parse(await response.text(), response.url) : undefined;
    } catch {
      return undefined; // a seek bar without pictures is a seek bar
    }
  }

  at(position_s: number): Thumbnail | undefined {
    return this.cues.find((cue) => cue.start_s <= position_s && position_s < cue.end_s);
  }
}
