/** What a catalog offers to choose from. Tracks' names are the ids. */

import { languageName } from "../caption-choice";
import type { Choice, Menus, Quality } from "../viewing";
import { audioChoices } from "./catalog";
import type { MediaEngine } from "./media-engine";

export class MoqMenus implements Menus {
  constructor(private readonly engine: MediaEngine) {}

  get qualities(): readonly Quality[] {
    return this.engine.renditions.map(({ track, height, bitrate_bps }) => ({ id: track, height, bitrate_bps }));
  }

  get quality(): string | undefined {
    return this.engine.choice.fixed;
  }

  get audioTracks(): readonly Choice[] {
    return audioChoices(this.engine.offered.audio).map(choiceOf);
  }

  get audioTrack(): string | undefined {
    return this.engine.audioChoice;
  }

  get textTracks(): readonly Choice[] {
    return this.engine.offered.text.map(choiceOf);
  }

  get textTrack(): string | undefined {
    return this.engine.textChoice;
  }

  fixQuality(id: string | undefined): void {
    this.engine.fix(id);
  }

  setMaxHeight(lines: number): void {
    this.engine.setMaxHeight(lines);
  }

  chooseAudio(id: string): void {
    this.engine.chooseAudio(id);
  }

  chooseText(id: string | undefined): void {
    this.engine.chooseText(id);
  }
}

function choiceOf(rendition: { track: string; label: string; language: string }): Choice {
  return { id: rendition.track, label: rendition.label || languageName(rendition.language) || rendition.track, language: rendition.language };
}
