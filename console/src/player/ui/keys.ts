/** Keys while the player has the focus. Keys of a focused control go to that control. */

export interface KeyActions {
  togglePlay(): void;
  toggleMute(): void;
  toggleFullscreen(): void;
  toggleStatistics(): void;
  toggleCaptions(): void;
  /** @returns whether there is anything to seek in */
  seekBy(seconds: number): boolean;
  seekToShare(share: number): boolean;
  volumeBy(step: number): void;
  /** One picture on or back; only while paused in a recording. */
  step(frames: 1 | -1): boolean;
  /** @returns whether there was anything to close */
  closeMenu(): boolean;
}

const SEEK_S = 5;
const FAR_SEEK_S = 30;
const VOLUME_STEP = 0.1;

/** Returns false where the key meant nothing after all. */
type Act = () => unknown;

/** Carry out what `key` means. @returns whether it means anything */
export function onKey(key: string, onControl: boolean, act: KeyActions): boolean {
  const always: Record<string, Act> = {
    k: () => act.togglePlay(),
    m: () => act.toggleMute(),
    f: () => act.toggleFullscreen(),
    i: () => act.toggleStatistics(),
    c: () => act.toggleCaptions(),
    j: () => act.seekBy(-FAR_SEEK_S),
    l: () => act.seekBy(FAR_SEEK_S),
    ",": () => act.step(-1),
    ".": () => act.step(1),
    Escape: () => act.closeMenu(),
  };
  const free: Record<string, Act> = {
    " ": () => act.togglePlay(),
    ArrowLeft: () => act.seekBy(-SEEK_S),
    ArrowRight: () => act.seekBy(SEEK_S),
    Home: () => act.seekToShare(0),
    End: () => act.seekToShare(1),
    ArrowUp: () => act.volumeBy(VOLUME_STEP),
    ArrowDown: () => act.volumeBy(-VOLUME_STEP),
  };
  const chosen = always[key.length === 1 ? key.toLowerCase() : key] ?? (onControl ? undefined : free[key]);
  return chosen !== undefined && chosen() !== false;
}
