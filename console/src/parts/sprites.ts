/** WebVTT of scrub pictures: which part of which sheet belongs to a time. */

export interface Sprite {
  from: number;
  to: number;
  sheet: string;
  x: number;
  y: number;
  width: number;
  height: number;
}

const CUE = /^(\d+):(\d\d):(\d\d\.\d{3}) --> (\d+):(\d\d):(\d\d\.\d{3})\s*\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)/gm;

/** The cues of a file at `base`; sheets are resolved against it. Anything else in it is left out. */
export function parseSprites(text: string, base: string): Sprite[] {
  return [...text.matchAll(CUE)].map((cue) => {
    const at = (first: number): number => Number(cue[first]) * 3600 + Number(cue[first + 1]) * 60 + Number(cue[first + 2]);
    return {
      from: at(1),
      to: at(4),
      sheet: new URL(cue[7] ?? "", base).href,
      x: Number(cue[8]),
      y: Number(cue[9]),
      width: Number(cue[10]),
      height: Number(cue[11]),
    };
  });
}

export const spriteAt = (sprites: readonly Sprite[], seconds: number): Sprite | undefined =>
  sprites.find((sprite) => seconds >= sprite.from && seconds < sprite.to) ?? sprites.at(-1);
