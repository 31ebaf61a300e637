/**
 * Captions over MoQ: a track of its own whose frames are JSON, one cue or a list of them, each with the media time
 * from which and until which it is shown. A later cue with the same start replaces the earlier one, so that live
 * captions can be corrected while they are spoken.
 */

export interface Cue {
  start_us: number;
  end_us: number;
  text: string;
}

/** Longest text taken from one cue: captions are two or three lines, anything longer is a mistake. */
const MAX_CHARS = 500;
/** Cues kept; they are dropped as they pass, so only cues from a wrong clock could pile up. */
const MAX_CUES = 100;

function cueOf(value: unknown): Cue[] {
  if (typeof value !== "object" || value === null) return [];
  const { start_us, end_us, text } = value as Partial<Record<keyof Cue, unknown>>;
  if (typeof start_us !== "number" || typeof end_us !== "number" || typeof text !== "string") return [];
  if (!Number.isFinite(start_us) || !Number.isFinite(end_us) || end_us <= start_us) return [];
  return [{ start_us, end_us, text: text.slice(0, MAX_CHARS) }];
}

/** The cues of one frame; what is malformed is left out. */
export function readCues(payload: Uint8Array): Cue[] {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(payload));
    return (Array.isArray(value) ? (value as unknown[]) : [value]).flatMap(cueOf);
  } catch {
    return [];
  }
}

/** The cues of the track on show, by media time. */
export class CueList {
  private cues: Cue[] = [];

  add(cues: readonly Cue[]): void {
    const starts = new Set(cues.map((cue) => cue.start_us));
    this.cues = [...this.cues.filter((cue) => !starts.has(cue.start_us)), ...cues];
    this.cues.sort((a, b) => a.start_us - b.start_us);
    this.cues.splice(0, this.cues.length - MAX_CUES);
  }

  /** Lines to show at a media time, oldest first; forgets what has passed. */
  linesAt(position_us: number): string[] {
    this.cues = this.cues.filter((cue) => cue.end_us > position_us);
    const shown = this.cues.filter((cue) => cue.start_us <= position_us);
    return shown.flatMap((cue) => cue.text.split("\n")).filter((line) => line.trim() !== "");
  }

  clear(): void {
    this.cues = [];
  }
}

/** The track of captions that the viewer chose, shown line by line as time goes on. */
export class CaptionTrack {
  private readonly list = new CueList();
  private chosen: string | undefined;
  private shown = "";

  constructor(
    private readonly position: () => number,
    private readonly onLines: (lines: readonly string[]) => void,
  ) {}

  choose(track: string | undefined): void {
    this.chosen = track;
    this.list.clear();
    this.show();
  }

  /** The chosen track, as long as it is on offer. */
  trackOf(offered: readonly { track: string }[]): string | undefined {
    return offered.find((rendition) => rendition.track === this.chosen)?.track;
  }

  add(cues: readonly Cue[]): void {
    this.list.add(cues);
  }

  /** Call now and then: tells the lines when they have changed. */
  show(): void {
    const lines = this.chosen === undefined ? [] : this.list.linesAt(this.position());
    const text = lines.join("\n");
    if (text === this.shown) return;
    this.shown = text;
    this.onLines(lines);
  }
}
