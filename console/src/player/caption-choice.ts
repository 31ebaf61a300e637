/** Which captions a viewer chose, for the next time: a language, or none. Kept in the browser, told to nobody. */

import type { Choice } from "./viewing";

const KEY = "skyriver-captions";

/** The language of the captions that were on; undefined when they were off, or where nothing can be remembered. */
export function recallLanguage(): string | undefined {
  try {
    return localStorage.getItem(KEY) ?? undefined;
  } catch {
    return undefined; // a frame without storage of its own
  }
}

export function rememberLanguage(language: string | undefined): void {
  try {
    if (language === undefined) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, language);
  } catch {
    // Then it is chosen anew each time.
  }
}

/** The track in a language (BCP 47), or one that differs in script or region only. */
export function preferredTrack(tracks: readonly Choice[], language: string): Choice | undefined {
  const primary = (tag: string): string | undefined => tag.toLowerCase().split("-")[0];
  const same = tracks.find((track) => track.language.toLowerCase() === language.toLowerCase());
  return same ?? tracks.find((track) => track.language !== "" && primary(track.language) === primary(language));
}

/** A language in its own name: "English", "简体中文"; the tag itself where the browser does not know it. */
export function languageName(tag: string): string {
  try {
    return new Intl.DisplayNames([tag], { type: "language" }).of(tag) ?? tag;
  } catch {
    return tag;
  }
}
