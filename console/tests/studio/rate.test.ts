import { describe, expect, it } from "vitest";
import { RateControl } from "../../src/studio/rate";

/** A line that takes `line_bps`, an encoder that obeys; returns what became of it. */
function run(control: RateControl, line: (second: number) => number, seconds: number, audio_bps = 96_000) {
  let written = 0;
  let sent = 0;
  const targets: number[] = [];
  let skipped = 0;
  for (let step = 0; step < seconds * 4; step++) {
    const video = control.leavesOut ? 0 : control.target_bps;
    skipped += control.leavesOut ? 1 : 0;
    written += (video + audio_bps) / 8 / 4;
    sent = Math.min(written, sent + line(step / 4) / 8 / 4);
    control.take({ now_ms: step * 250, written_bytes: written, sent_bytes: sent, encode_queue: 0 });
    targets.push(control.target_bps);
  }
  return { targets, skipped, waiting_bytes: written - sent };
}

const limits = { max_bps: 3_000_000, min_bps: 200_000 };

describe("rate control", () => {
  it("leaves a wide line alone", () => {
    const { targets, skipped } = run(new RateControl(limits), () => 20_000_000, 20);
    expect(new Set(targets)).toEqual(new Set([3_000_000]));
    expect(skipped).toBe(0);
  });

  it("goes below a narrow line within seconds, and stays there without a queue", () => {
    const { targets, waiting_bytes } = run(new RateControl(limits), () => 1_000_000, 20);
    expect(targets.at(16)).toBeLessThan(1_100_000);
    expect(waiting_bytes * 8).toBeLessThan(1_000_000); // less than a second of the line
    expect(Math.min(...targets)).toBeGreaterThanOrEqual(limits.min_bps);
  });

  it("comes back when the line does", () => {
    const { targets } = run(new RateControl(limits), (second) => (second < 10 ? 600_000 : 20_000_000), 80);
    expect(targets.at(39)).toBeLessThan(700_000);
    expect(targets.at(-1)).toBe(3_000_000);
  });

  it("does nothing where the browser tells nothing", () => {
    const control = new RateControl(limits);
    for (let step = 0; step < 100; step++) {
      control.take({ now_ms: step * 250, written_bytes: step * 90_000, sent_bytes: undefined, encode_queue: 0 });
    }
    expect(control.target_bps).toBe(3_000_000);
    expect(control.leavesOut).toBe(false);
  });

  it("leaves pictures out while the encoder is behind", () => {
    const control = new RateControl(limits);
    control.take({ now_ms: 0, written_bytes: 0, sent_bytes: 0, encode_queue: 9 });
    expect(control.leavesOut).toBe(true);
    control.take({ now_ms: 250, written_bytes: 0, sent_bytes: 0, encode_queue: 0 });
    expect(control.leavesOut).toBe(false);
  });

  it("forgets what the transport has given up", () => {
    const control = new RateControl(limits);
    let now_ms = 0;
    const take = (written_bytes: number, sent_bytes: number): void => {
      control.take({ now_ms, written_bytes, sent_bytes, encode_queue: 0 });
      now_ms += 250;
    };
    take(0, 0);
    for (let step = 0; step < 40; step++) take(2_000_000, 100_000 + step * 3000); // the rest never leaves
    expect(control.leavesOut).toBe(false);
  });
});
