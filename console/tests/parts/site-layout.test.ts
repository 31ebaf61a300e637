import { describe, expect, it } from "vitest";
import { CARD, layOut, type Placeable } from "../../src/parts/site-layout";

const site = (id: string, role: "core" | "edge", latitude: number | null, longitude: number | null): Placeable => ({
  id, role, latitude, longitude,
});
const CHINA = [
  site("beijing", "core", 39.9, 116.4), site("shanghai", "edge", 31.2, 121.5), site("hangzhou", "edge", 30.3, 120.2),
  site("guangzhou", "edge", 23.1, 113.3), site("urumqi", "edge", 43.8, 87.6),
];

function overlaps(spots: { x: number; y: number }[]): boolean {
  return spots.some((a, i) =>
    spots.slice(i + 1).some((b) => Math.abs(a.x - b.x) < CARD.width && Math.abs(a.y - b.y) < CARD.height),
  );
}

describe("layOut", () => {
  it("puts west left and north up, without overlaps, inside the room", () => {
    const { spots, room, onMap } = layOut(CHINA, 1000);
    const at = new Map(spots.map((spot) => [spot.id, spot]));
    expect(onMap).toBe(true);
    expect(overlaps(spots)).toBe(false);
    expect(at.get("urumqi")?.x).toBeLessThan(at.get("beijing")?.x ?? 0);
    expect(at.get("beijing")?.y).toBeLessThan(at.get("guangzhou")?.y ?? 0);
    for (const spot of spots) {
      expect(spot.x).toBeGreaterThanOrEqual(CARD.width / 2);
      expect(spot.x).toBeLessThanOrEqual(room.width - CARD.width / 2);
      expect(spot.y).toBeLessThanOrEqual(room.height - CARD.height / 2);
    }
  });

  it.each([[340], [1000]])("draws a scheme at %i px when places are not known", (width) => {
    const { spots, onMap } = layOut([site("core", "core", null, null), site("e1", "edge", null, null), site("e2", "edge", null, null)], width);
    expect(onMap).toBe(false);
    expect(overlaps(spots)).toBe(false);
    expect(spots[0]?.y).toBeLessThan(spots[1]?.y ?? 0);
  });

  it("draws a scheme on a narrow screen, and when all sites are in one place", () => {
    expect(layOut(CHINA, 390).onMap).toBe(false);
    expect(layOut(CHINA.map((s) => ({ ...s, latitude: 1, longitude: 1 })), 1000).onMap).toBe(false);
  });

  it("has room for no site at all", () => {
    expect(layOut([], 500).spots).toEqual([]);
  });
});
