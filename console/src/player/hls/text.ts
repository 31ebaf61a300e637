/** Captions and other text of a media element, whoever put it there: WebVTT renditions, CEA-608 in the picture. */

import { languageName } from "../caption-choice";
import type { Choice } from "../viewing";

export class TextTracks {
  private shown: TextTrack | undefined;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly changed: () => void,
    private readonly lines: (lines: readonly string[]) => void,
  ) {
    video.textTracks.onaddtrack = video.textTracks.onremovetrack = () => this.listChanged();
    // hls.js shows the default track by itself; the player draws captions of all transports alike.
    video.textTracks.onchange = () => this.hideNative();
  }

  get choices(): Choice[] {
    return this.tracks().map((track, index) => ({
      id: String(index),
      // A playlist has to name every track: it says the tag where there is no name.
      label: (track.label === track.language ? languageName(track.language) : track.label) || `${index + 1}`,
      language: track.language,
    }));
  }

  get chosen(): string | undefined {
    const index = this.shown ? this.tracks().indexOf(this.shown) : -1;
    return index < 0 ? undefined : String(index);
  }

  choose(id: string | undefined): void {
    if (this.shown) this.shown.oncuechange = null;
    this.shown = id === undefined ? undefined : this.tracks()[Number(id)];
    this.hideNative();
    if (this.shown) this.shown.oncuechange = () => this.show();
    this.show();
  }

  close(): void {
    this.choose(undefined);
    const { textTracks } = this.video;
    textTracks.onaddtrack = textTracks.onremovetrack = textTracks.onchange = null;
  }

  private tracks(): TextTrack[] {
    return [...this.video.textTracks].filter((track) => track.kind === "captions" || track.kind === "subtitles");
  }

  private listChanged(): void {
    this.hideNative();
    this.changed();
  }

  private hideNative(): void {
    for (const track of this.tracks()) {
      const mode = track === this.shown ? "hidden" : "disabled";
      if (track.mode !== mode) track.mode = mode;
    }
  }

  private show(): void {
    const cues = [...(this.shown?.activeCues ?? [])];
    this.lines(cues.flatMap((cue) => textOf(cue).split("\n")).filter((line) => line !== ""));
  }
}

function textOf(cue: TextTrackCue): string {
  return cue instanceof VTTCue ? (cue.getCueAsHTML().textContent || "").trim() : "";
}
