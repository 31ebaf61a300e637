/** What hls.js found to choose from. Its numbers are the ids. */

import type Hls from "hls.js";
import type { Choice, Menus, Quality } from "../viewing";
import type { TextTracks } from "./text";

export class HlsMenus implements Menus {
  private wanted: string | undefined;

  constructor(
    private readonly hls: () => Hls | undefined,
    private readonly text: TextTracks,
    private readonly changed: () => void,
  ) {}

  get qualities(): readonly Quality[] {
    return (this.hls()?.levels ?? [])
      .map((level, index) => ({ id: String(index), height: level.height, bitrate_bps: level.bitrate }))
      .sort((a, b) => b.height - a.height || b.bitrate_bps - a.bitrate_bps);
  }

  get quality(): string | undefined {
    return this.qualities.find((quality) => quality.id === this.wanted || `${quality.height}p` === this.wanted)?.id;
  }

  get audioTracks(): readonly Choice[] {
    return (this.hls()?.audioTracks ?? []).map((track) => ({
      id: String(track.id),
      label: track.name,
      language: track.lang ?? "",
    }));
  }

  get audioTrack(): string | undefined {
    const id = this.hls()?.audioTrack ?? -1;
    return id < 0 ? undefined : String(id);
  }

  get textTracks(): readonly Choice[] {
    return this.text.choices;
  }

  get textTrack(): string | undefined {
    return this.text.chosen;
  }

  /** A rendition's name over MoQ ("480p") is taken for its height. */
  fixQuality(id: string | undefined): void {
    this.wanted = id;
    this.applyQuality();
    this.changed();
  }

  /** The qualities are known, or others than before. */
  applyQuality(): void {
    const hls = this.hls();
    if (hls && hls.levels.length > 0) hls.nextLevel = Number(this.quality ?? -1);
  }

  setMaxHeight(lines: number): void {
    const hls = this.hls();
    if (!hls) return;
    const fitting = hls.levels.flatMap((level, index) => (level.height <= lines ? [index] : []));
    hls.autoLevelCapping = Number.isFinite(lines) ? Math.max(0, ...fitting) : -1;
  }

  chooseAudio(id: string): void {
    const hls = this.hls();
    if (hls) hls.audioTrack = Number(id);
    this.changed();
  }

  chooseText(id: string | undefined): void {
    const hls = this.hls();
    const inPlaylist = id !== undefined && Number(id) < (hls?.subtitleTracks.length ?? 0);
    if (hls) hls.subtitleTrack = inPlaylist ? Number(id) : -1;
    // After hls.js, which shows and hides tracks on its own.
    this.text.choose(id);
    this.changed();
  }
}
