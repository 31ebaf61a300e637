/**
 * Decoded sound by media time: a ring of samples that is written with timestamps and read at the moment the playout
 * clock asks for. Small errors between the sound card's clock and the playout clock are taken out by playing a little
 * faster or slower; a large one by a jump. Pure: runs in the audio thread and in tests.
 */

/** Beyond this the ear hears an echo of the picture; jump. */
const JUMP_S = 0.08;
/** 3 % of speed is the most that speech takes without sounding wrong. */
const MAX_SPEED_CHANGE = 0.03;
/** Timestamps are rounded to microseconds and codecs to frames: closer than this counts as seamless. */
const SEAM_S = 0.003;

export class AudioRing {
  private readonly planes: Float32Array[];
  private readonly capacity: number;
  /** Absolute sample numbers (media time times rate): the valid range is [start, end). */
  private start = 0;
  private end = 0;
  private cursor: number | undefined;
  underruns = 0;

  constructor(
    readonly channels: number,
    readonly sampleRateHz: number,
    capacity_s = 4,
  ) {
    this.capacity = Math.ceil(sampleRateHz * capacity_s);
    this.planes = Array.from({ length: channels }, () => new Float32Array(this.capacity));
  }

  /** Append samples whose first belongs at `pts_us`. Parts that are already there are left out; holes become silence. */
  write(pts_us: number, planes: readonly Float32Array[]): void {
    const count = planes[0]?.length ?? 0;
    let first = Math.round((pts_us * this.sampleRateHz) / 1e6);
    if (this.end === this.start || first > this.end + this.capacity) {
      this.start = this.end = first;
    } else if (Math.abs(first - this.end) <= SEAM_S * this.sampleRateHz) {
      first = this.end;
    }
    while (this.end < first) this.put(this.end++, undefined, 0);
    for (let i = Math.max(0, this.end - first); i < count; i++) this.put(this.end++, planes, i);
    this.start = Math.max(this.start, this.end - this.capacity);
  }

  /** Fill `out` with the sound from `position_us` on. */
  read(out: readonly Float32Array[], position_us: number): void {
    const count = out[0]?.length ?? 0;
    const wanted = (position_us * this.sampleRateHz) / 1e6;
    const error = this.cursor === undefined ? Infinity : wanted - this.cursor;
    let cursor = this.cursor ?? wanted;
    let speed = 1;
    if (Math.abs(error) > JUMP_S * this.sampleRateHz) cursor = wanted;
    else speed += Math.min(Math.max(error / this.sampleRateHz, -MAX_SPEED_CHANGE), MAX_SPEED_CHANGE);
    const had = this.end > this.start;
    if (had && cursor + count * speed > this.end) this.underruns++;
    for (let i = 0; i < count; i++) {
      const index = Math.floor(cursor);
      const share = cursor - index;
      const inside = index >= this.start && index + 1 < this.end;
      for (let channel = 0; channel < out.length; channel++) {
        const plane = out[channel];
        if (plane) plane[i] = inside ? this.sample(channel, index, share) : 0;
      }
      cursor += speed;
    }
    this.cursor = cursor;
  }

  /** How far the reader is behind `position_us`, in milliseconds; 0 before anything was read. */
  offsetMs(position_us: number): number {
    if (this.cursor === undefined) return 0;
    return position_us / 1000 - (this.cursor * 1000) / this.sampleRateHz;
  }

  /** Sound ready beyond `position_us`, in milliseconds. */
  bufferedMs(position_us: number): number {
    const wanted = (position_us * this.sampleRateHz) / 1e6;
    return Math.max(0, ((this.end - wanted) * 1000) / this.sampleRateHz);
  }

  clear(): void {
    this.start = this.end = 0;
    this.cursor = undefined;
  }

  private put(at: number, planes: readonly Float32Array[] | undefined, index: number): void {
    const slot = at % this.capacity;
    for (let channel = 0; channel < this.channels; channel++) {
      const target = this.planes[channel];
      if (target) target[slot] = planes?.[Math.min(channel, planes.length - 1)]?.[index] ?? 0;
    }
  }

  private sample(channel: number, index: number, share: number): number {
    const plane = this.planes[Math.min(channel, this.channels - 1)];
    const a = plane?.[index % this.capacity] ?? 0;
    const b = plane?.[(index + 1) % this.capacity] ?? 0;
    return a + (b - a) * share;
  }
}
