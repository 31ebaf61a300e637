/** Numbers and times for people. */

const BIT_UNITS = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"];
const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

function scaled(value: number, units: readonly string[]): string {
  let index = 0;
  let rest = Math.max(0, value);
  while (rest >= 1000 && index < units.length - 1) {
    rest /= 1000;
    index++;
  }
  const digits = rest >= 100 || index === 0 ? 0 : rest >= 10 ? 1 : 2;
  return `${rest.toFixed(digits)} ${units[index] ?? ""}`;
}

export const formatBps = (value: number): string => scaled(value, BIT_UNITS);
export const formatBytes = (value: number): string => scaled(value, BYTE_UNITS);
export const formatMs = (value: number | undefined | null): string =>
  value === undefined || value === null || !Number.isFinite(value) ? "–" : `${Math.round(value)} ms`;

export function formatTime(iso: string, language: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime())
    ? iso
    : date.toLocaleString(language === "zh" ? "zh-CN" : "en-GB", { dateStyle: "medium", timeStyle: "medium" });
}
