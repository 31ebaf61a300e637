import { describe, expect, it } from "vitest";
import { AudioRing } from "../../../src/player/moq/audio-ring";

const RATE = 48_000;
const QUANTUM = 128;
const START_US = 1.7e15;
const at = (samples: number): number => START_US + (samples * 1e6) / RATE;

/** A ramp, so that every sample tells where it came from. */
function ramp(from: number, count: number): Float32Array[] {
  const plane = Float32Array.from({ length: count }, (_, i) => (from + i) / 1e5);
  return [plane, plane];
}

function read(ring: AudioRing, position_us: number): Float32Array {
  const out = [new Float32Array(QUANTUM), new Float32Array(QUANTUM)];
  ring.read(out, position_us);
  return out[0] ?? new Float32Array();
}

describe("AudioRing", () => {
  it("plays the moment that is asked for", () => {
    const ring = new AudioRing(2, RATE);
    ring.write(START_US, ramp(0, 4800));
    expect(read(ring, at(1000))[0]).toBeCloseTo(1000 / 1e5, 5);
  });

  it("is silent where nothing was written, and counts it", () => {
    const ring = new AudioRing(2, RATE);
    ring.write(START_US, ramp(1, 480));
    expect(read(ring, at(2000)).every((sample) => sample === 0)).toBe(true);
    expect(ring.underruns).toBe(1);
  });

  it("joins packets whose rounded timestamps do not quite meet", () => {
    const ring = new AudioRing(2, RATE);
    ring.write(START_US, ramp(0, 960));
    ring.write(START_US + 20_001, ramp(960, 960));
    const out = read(ring, at(900));
    for (let i = 1; i < QUANTUM; i++) expect((out[i] ?? 0) - (out[i - 1] ?? 0)).toBeCloseTo(1e-5, 5);
  });

  it("leaves out what is there already", () => {
    const ring = new AudioRing(2, RATE);
    ring.write(START_US, ramp(0, 1920));
    ring.write(START_US, ramp(50_000, 960));
    expect(read(ring, at(100))[0]).toBeCloseTo(100 / 1e5, 5);
    expect(ring.bufferedMs(START_US)).toBeCloseTo(40, 0);
  });

  it("fills a hole with silence and keeps time after it", () => {
    const ring = new AudioRing(2, RATE);
    ring.write(START_US, ramp(0, 960));
    ring.write(at(9600), ramp(9600, 960));
    expect(read(ring, at(1500))[0]).toBe(0);
    expect(read(ring, at(9700))[0]).toBeCloseTo(9700 / 1e5, 4);
  });

  it("takes a small error out by speed and a large one by a jump", () => {
    const ring = new AudioRing(2, RATE);
    ring.write(START_US, ramp(0, RATE));
    read(ring, at(0));
    const near = read(ring, at(QUANTUM + 480));
    expect(near[0]).toBeCloseTo(QUANTUM / 1e5, 4);
    expect((near[QUANTUM - 1] ?? 0) - (near[0] ?? 0)).toBeGreaterThan((QUANTUM - 1) / 1e5);
    expect(read(ring, at(20_000))[0]).toBeCloseTo(20_000 / 1e5, 4);
  });
});
