import { expect, it } from "vitest";
import { momentAt, clockText, type Recording } from "../../src/api/recordings";
import { parseSprites, spriteAt } from "../../src/parts/sprites";

const VTT = `WEBVTT

00:00:00.000 --> 00:00:10.000
sprites/0.jpg#xywh=0,0,160,90

01:00:10.000 --> 01:00:12.500
sprites/3.jpg#xywh=160,90,160,90

not a cue
`;

it("reads the places of pictures, relative to the file", () => {
  const sprites = parseSprites(VTT, "http://sky.test/vod/grant/rec/thumbs.vtt");
  expect(sprites).toHaveLength(2);
  expect(sprites[1]).toEqual({
    from: 3610,
    to: 3612.5,
    sheet: "http://sky.test/vod/grant/rec/sprites/3.jpg",
    x: 160,
    y: 90,
    width: 160,
    height: 90,
  });
  expect(spriteAt(sprites, 5)).toBe(sprites[0]);
  expect(spriteAt(sprites, 99999)).toBe(sprites[1]);
  expect(spriteAt([], 5)).toBeUndefined();
});

it("counts gaps when it turns the player's clock into moments", () => {
  const recording = {
    start: "2026-05-01T20:00:00Z",
    gaps: [{ start: "2026-05-01T20:00:10Z", end: "2026-05-01T20:00:15Z" }],
  } as Recording;
  expect(momentAt(recording, 5).toISOString()).toBe("2026-05-01T20:00:05.000Z");
  expect(momentAt(recording, 12).toISOString()).toBe("2026-05-01T20:00:17.000Z");
  expect([clockText(59.9), clockText(3600), clockText(-1)]).toEqual(["0:59", "1:00:00", "0:00"]);
});
