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
    ring.write(at(9600), ramp(9600, 4800));
    expect(read(ring, at(1500))[0]).toBe(0);
    const later = play(ring, 1500 + QUANTUM, 9600, 1);
    expect(later[later.length - 1]).toBeGreaterThan(9600 / 1e5);
  });

  it("jumps when it is far from the clock", () => {
    const ring = new AudioRing(2, RATE);
    ring.write(START_US, ramp(0, 2 * RATE));
    play(ring, 0, 4800, 1);
    const out = play(ring, 60_000, 4800, 1);
    expect(out[out.length - 1]).toBeCloseTo(64_800 / 1e5, 2);
  });

  it.each([0.34, 0.5, 0.8, 1.12, 1.2])("follows a clock of %d times its speed without a change of pitch", (speed) => {
    const ring = new AudioRing(2, RATE);
    ring.write(START_US, tone(2 * RATE));
    play(ring, 0, RATE / 10, 1);
    const out = play(ring, RATE / 10, RATE, speed);
    expect(Math.abs(ring.offsetMs(at(RATE / 10 + RATE * speed)))).toBeLessThan(40);
    expect(crossings(out)).toBeGreaterThan(2 * TONE_HZ * 0.97);
    expect(crossings(out)).toBeLessThan(2 * TONE_HZ * 1.03);
    for (let i = 1; i < out.length; i++) expect(Math.abs((out[i] ?? 0) - (out[i - 1] ?? 0))).toBeLessThan(0.1);
  });

  it("goes on with the last sound where some is missing, and tells how long", () => {
    const ring = new AudioRing(2, RATE);
    ring.write(START_US, tone(4800));
    const out = play(ring, 0, 4800 + 1440, 1);
    expect(loudest(out.slice(4800, 4800 + 900))).toBeGreaterThan(0.5);
    expect(ring.longestGapMs).toBeGreaterThan(20);
    expect(ring.longestGapMs).toBeLessThan(60);
    play(ring, 6240, 9600, 1);
    expect(loudest(play(ring, 15_840, 480, 1))).toBe(0);
    expect(ring.longestGapMs).toBeGreaterThan(200);
  });
});

const TONE_HZ = 200;

function tone(count: number): Float32Array[] {
  const plane = Float32Array.from({ length: count }, (_, i) => Math.sin((2 * Math.PI * TONE_HZ * i) / RATE));
  return [plane, plane];
}

/** What is heard while the clock runs from `from` at `speed`, for `count` samples. */
function play(ring: AudioRing, from: number, count: number, speed: number): number[] {
  const heard: number[] = [];
  for (let done = 0; done < count; done += QUANTUM) heard.push(...read(ring, at(from + done * speed)));
  return heard;
}

function crossings(samples: number[]): number {
  return samples.filter((sample, i) => i > 0 && sample >= 0 !== (samples[i - 1] ?? 0) >= 0).length;
}

const loudest = (samples: number[]): number => Math.max(...samples.map(Math.abs));
