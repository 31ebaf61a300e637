import { describe, expect, it } from "vitest";
import { waysToSend } from "../../src/parts/ingest-ways";

const urls = {
  rtmp_url: "rtmp://h:1935/live",
  rtmps_url: "rtmps://h:1936/live",
  srt_url: "srt://h:8890",
  whip_url: "http://h:8891/whip",
};

describe("ways to send a picture", () => {
  it("offers what is open, and nothing else", () => {
    expect(waysToSend(urls, "k").map((way) => way.protocol)).toEqual(["rtmp", "rtmps", "srt", "whip"]);
    expect(waysToSend({ ...urls, rtmps_url: null, srt_url: null, whip_url: null }, "k")).toHaveLength(1);
    expect(waysToSend({ rtmp_url: null, rtmps_url: null, srt_url: null, whip_url: null }, "k")).toEqual([]);
  });

  it("puts the key where each encoder looks for it", () => {
    const [rtmp, , srt, whip] = waysToSend(urls, "KEY");
    expect(rtmp?.commands.every((command) => command.text.includes('"rtmp://h:1935/live/KEY"'))).toBe(true);
    expect(rtmp?.server).toBe("rtmp://h:1935/live");
    expect(srt?.server).toBe("srt://h:8890?streamid=KEY");
    expect(srt?.commands.every((command) => command.text.includes('"srt://h:8890?streamid=KEY"'))).toBe(true);
    expect(whip?.commands[0]?.text).toContain('-authorization "KEY"');
  });
});
