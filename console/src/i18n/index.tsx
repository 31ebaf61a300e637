/** Two languages, chosen by the browser and then by the user. */

import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import { en, type TextKey } from "./en";
import { zh } from "./zh";

export type { TextKey };
export type Language = "en" | "zh";
export type Text = (key: TextKey, values?: Record<string, string | number>) => string;

const TEXTS: Record<Language, Record<TextKey, string>> = { en, zh };
const STORED_AS = "skyriver-language";

export function translate(language: Language, key: TextKey, values: Record<string, string | number> = {}): string {
  return TEXTS[language][key].replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

export function isTextKey(key: string): key is TextKey {
  return key in en;
}

function firstLanguage(): Language {
  const stored = localStorage.getItem(STORED_AS);
  if (stored === "en" || stored === "zh") return stored;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

interface Speech {
  language: Language;
  setLanguage: (language: Language) => void;
  t: Text;
}

const Context = createContext<Speech | undefined>(undefined);

export function LanguageProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState(firstLanguage);
  useEffect(() => {
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
    document.title = translate(language, "skyriver");
    localStorage.setItem(STORED_AS, language);
  }, [language]);
  const speech = useMemo<Speech>(
    () => ({ language, setLanguage, t: (key, values) => translate(language, key, values) }),
    [language],
  );
  return <Context.Provider value={speech}>{children}</Context.Provider>;
}

export function useSpeech(): Speech {
  const speech = useContext(Context);
  if (!speech) throw new Error("useSpeech needs a LanguageProvider above");
  return speech;
}

export const useText = (): Text => useSpeech().t;
