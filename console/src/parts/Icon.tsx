/** The console's icons: a few strokes each, drawn here so that no icon package is shipped. */

const PATHS = {
  overview: "M3 12l9-8 9 8M5 10v10h14V10M10 20v-6h4v6",
  channel: "M4 6h16v12H4zM10 9.5v5l4.5-2.5z",
  site: "M12 21s7-6.5 7-12a7 7 0 1 0-14 0c0 5.500 7 12 7 12zM12 11.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5z",
  usage: "M4 20V11M10 20V4M16 20v-7M21 20H3",
  key: "M14 10a4 4 0 1 0-3.500 4L13 16.500h2V19h2.500v2H21v-3l-7-7z",
  users: "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM3 20c0-3.500 2.700-6 6-6s6 2.500 6 6M16 4.500a3.500 3.500 0 0 1 0 6.500M17.500 14.500c2 .7 3.500 2.700 3.500 5.500",
  audit: "M6 3h9l4 4v14H6zM14 3v5h5M9 12h6M9 16h6",
  leave: "M14 4h6v16h-6M10 8l-4 4 4 4M6 12h10",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2v2M12 20v2M4.900 4.900l1.400 1.400M17.700 17.700l1.400 1.400M2 12h2M20 12h2M4.900 19.100l1.400-1.400M17.700 6.300l1.400-1.400",
  moon: "M20 14.500A8 8 0 0 1 9.500 4a8 8 0 1 0 10.500 10.500z",
  language: "M4 5h9M8.500 3v2M11 5c-.8 4-3.300 7-7 9M6 9c1.200 2.200 3 3.800 5.500 5M12 21l4.500-10L21 21M13.700 17.500h5.600",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  check: "M4 12.500l5 5L20 6.500",
  plus: "M12 5v14M5 12h14",
  bolt: "M13 2L5 14h6l-1 8 8-12h-6z",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
  turn: "M20 11a8 8 0 1 0-2 6M20 4v7h-7",
  eye: "M2 12s3.500-7 10-7 10 7 10 7-3.500 7-10 7-10-7-10-7zM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
  warning: "M12 3l10 18H2zM12 10v5M12 18v.01",
  record: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 15.500a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7z",
  play: "M7 4.500v15l12-7.500z",
  film: "M4 4h16v16H4zM8 4v16M16 4v16M4 8h4M4 12h4M4 16h4M16 8h4M16 12h4M16 16h4",
  pause: "M8 5v14M16 5v14",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth={1.8}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
