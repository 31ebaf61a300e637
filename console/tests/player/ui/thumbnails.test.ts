import { expect, it } from "vitest";
import { clockText } from "../../../src/player/ui/dom";
import { Thumbnails } from "../../../src/player/ui/thumbnails";

const FILE = `WEBVTT

00:00.000 --> 00:10.000
sprite.jpg#xywh=0,0,160,90

1
01:00:10.000 --> 01:00:20.000
sprite.jpg#xywh=pixel:160,90,160,90

00:30.000 --> 00:40.000
sprite.jpg#xywh=a,b
`;

it("finds the part of the picture for a moment", () => {
  const thumbnails = Thumbnails.parse(FILE, "https://cloud/vod/7/thumbnails.vtt");
  expect(thumbnails.at(3)).toMatchObject({ url: "https://cloud/vod/7/sprite.jpg", x: 0, y: 0, width: 160, height: 90 });
  expect(thumbnails.at(3612)).toMatchObject({ x: 160, y: 90 });
  expect(thumbnails.at(15)).toBeUndefined();
  expect(thumbnails.at(35)).toBeUndefined();
});

it("writes times as people do", () => {
  expect([0, 67.9, 3723, -3].map(clockText)).toEqual(["0:00", "1:07", "1:02:03", "0:00"]);
});
