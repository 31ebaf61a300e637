/**
 * Where sites are drawn: by their coordinates (equirectangular, fitted to the room), pushed apart until no two cards
 * overlap. Sites without coordinates, and a room too narrow for a map, get a plain scheme: core above, edges below.
 */

export interface Placeable {
  id: string;
  role: "core" | "edge";
  latitude: number | null;
  longitude: number | null;
}

export interface Spot {
  id: string;
  x: number;
  y: number;
}

export interface Room {
  width: number;
  height: number;
}

export const CARD = { width: 184, height: 74 };
const GAP = 14;
const ROUNDS = 60;
/** Below this width two cards beside each other are the most that fits, and a map says nothing. */
const NARROW = 620;

export function layOut(sites: readonly Placeable[], width: number): { spots: Spot[]; room: Room; onMap: boolean } {
  const located = sites.length > 0 && sites.every((s) => s.latitude !== null && s.longitude !== null);
  const spread = located && width >= NARROW && isSpread(sites);
  return spread ? byCoordinates(sites, width) : byRole(sites, width);
}

function isSpread(sites: readonly Placeable[]): boolean {
  const places = new Set(sites.map((s) => `${s.latitude?.toFixed(1)},${s.longitude?.toFixed(1)}`));
  return places.size > 1;
}

function byRole(sites: readonly Placeable[], width: number): { spots: Spot[]; room: Room; onMap: boolean } {
  const perRow = Math.max(1, Math.floor((width + GAP) / (CARD.width + GAP)));
  const rows: Placeable[][] = [];
  for (const role of ["core", "edge"] as const) {
    const own = sites.filter((s) => s.role === role);
    for (let i = 0; i < own.length; i += perRow) rows.push(own.slice(i, i + perRow));
  }
  const step = CARD.height + 54;
  const spots = rows.flatMap((row, rowIndex) =>
    row.map((site, index) => ({
      id: site.id,
      x: perRow === 1 ? zigzag(width, rowIndex) : (width * (index + 1)) / (row.length + 1),
      y: CARD.height / 2 + 10 + rowIndex * step,
    })),
  );
  return { spots, room: { width, height: Math.max(1, rows.length) * step - 34 }, onMap: false };
}

/** One card a row: edges stand left and right in turn, so that every line can be seen. */
function zigzag(width: number, row: number): number {
  if (row === 0) return width / 2;
  return row % 2 === 1 ? CARD.width / 2 + 2 : width - CARD.width / 2 - 2;
}

function byCoordinates(sites: readonly Placeable[], width: number): { spots: Spot[]; room: Room; onMap: boolean } {
  const room = { width, height: Math.max(300, Math.min(420, width * 0.42)) };
  const longitudes = sites.map((s) => s.longitude ?? 0);
  const latitudes = sites.map((s) => s.latitude ?? 0);
  const fit = (value: number, all: number[], from: number, to: number): number => {
    const low = Math.min(...all);
    const high = Math.max(...all);
    return high - low < 1e-6 ? (from + to) / 2 : from + ((value - low) / (high - low)) * (to - from);
  };
  const left = CARD.width / 2 + GAP;
  const top = CARD.height / 2 + GAP;
  const spots = sites.map((site, i) => ({
    id: site.id,
    x: fit(longitudes[i] ?? 0, longitudes, left, room.width - left),
    // North is up.
    y: fit(latitudes[i] ?? 0, latitudes, room.height - top, top),
  }));
  pushApart(spots, room);
  return { spots, room, onMap: true };
}

function pushApart(spots: Spot[], room: Room): void {
  for (let round = 0; round < ROUNDS; round++) {
    let moved = false;
    for (let i = 0; i < spots.length; i++) {
      for (let j = i + 1; j < spots.length; j++) {
        const a = spots[i];
        const b = spots[j];
        if (a && b && separate(a, b)) moved = true;
      }
    }
    for (const spot of spots) {
      spot.x = Math.min(Math.max(spot.x, CARD.width / 2 + 2), room.width - CARD.width / 2 - 2);
      spot.y = Math.min(Math.max(spot.y, CARD.height / 2 + 2), room.height - CARD.height / 2 - 2);
    }
    if (!moved) return;
  }
}

function separate(a: Spot, b: Spot): boolean {
  const overlapX = CARD.width + GAP - Math.abs(a.x - b.x);
  const overlapY = CARD.height + GAP - Math.abs(a.y - b.y);
  if (overlapX <= 0.5 || overlapY <= 0.5) return false;
  // Along the cheaper axis, half each; equal places part in a fixed direction.
  if (overlapX < overlapY) {
    const direction = a.x < b.x ? -1 : 1;
    a.x += (direction * overlapX) / 2;
    b.x -= (direction * overlapX) / 2;
  } else {
    const direction = a.y < b.y ? -1 : 1;
    a.y += (direction * overlapY) / 2;
    b.y -= (direction * overlapY) / 2;
  }
  return true;
}
