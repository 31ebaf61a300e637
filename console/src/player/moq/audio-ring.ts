/**
 * Decoded sound by media time: a ring of samples that is written with timestamps and read at the moment the playout
 * clock asks for. Pure: runs in the audio thread and in tests.
 *
 * Sound is taken in hops of 10 ms. While the clock agrees with where the reader is, a hop simply goes on. When they
 * drift apart, a hop is spliced: the reader jumps forward or back by up to 15 ms to the place that looks most like
 * what would have come (the largest cross-correlation), and fades over. That changes the speed without changing the
 * pitch: waveform-similarity overlap-add, W. Verhelst and M. Roelands, ICASSP 1993. A splice back also covers the
 * moment in which sound runs out. Only a large error is taken out by a jump.
 */

/** Beyond this, splicing would take seconds; jump. */
const JUMP_S = 0.6;
const HOP_S = 0.01;
/** Closer than this to the clock counts as on time: lips and ears do not notice. */
const TOLERANCE_S = 0.008;
/** Reach of a splice: from half the period of a low voice to more than a whole one. */
const SHORTEST_S = 0.0025;
const LONGEST_S = 0.015;
/** Timestamps are rounded to microseconds and codecs to frames: closer than this counts as seamless. */
const SEAM_S = 0.003;
/** When nothing is left the last sound is repeated this often, ever more quietly, before silence. */
const REPEATS = 5;
/** Correlate every fourth sample: pitch lies far below 6 kHz. */
const STRIDE = 4;

export class AudioRing {
  private readonly planes: Float32Array[];
  private readonly capacity: number;
  private readonly hop: number;
  private readonly out: Float32Array[];
  /** How much of `out` has been handed over. */
  private taken: number;
  /** Sample number (media time times rate) from which the others count: small integers are what engines are fast at. */
  private origin: number | undefined;
  /** The valid range is [start, end). */
  private start = 0;
  private end = 0;
  /** Where the next hop goes on. */
  private cursor: number | undefined;
  private sinceSplice = 0;
  private repeats = 0;
  /** Where the repeated sound would go on; what comes next fades over from there. */
  private ghost: number | undefined;
  private dry = 0;
  private longestDry = 0;
  underruns = 0;

  constructor(
    readonly channels: number,
    readonly sampleRateHz: number,
    capacity_s = 4,
  ) {
    this.capacity = Math.ceil(sampleRateHz * capacity_s);
    this.planes = Array.from({ length: channels }, () => new Float32Array(this.capacity));
    this.hop = Math.round(sampleRateHz * HOP_S);
    this.out = Array.from({ length: channels }, () => new Float32Array(this.hop));
    this.taken = this.hop;
  }

  /** Append samples whose first belongs at `pts_us`. Parts that are already there are left out; holes become silence. */
  write(pts_us: number, planes: readonly Float32Array[]): void {
    const count = planes[0]?.length ?? 0;
    this.origin ??= Math.round((pts_us * this.sampleRateHz) / 1e6);
    let first = Math.round(this.numberOf(pts_us));
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
    for (let i = 0; i < count; i++) {
      if (this.taken === this.hop) {
        this.makeHop(this.numberOf(position_us) + i);
        this.taken = 0;
      }
      for (let channel = 0; channel < out.length; channel++) {
        const plane = out[channel];
        if (plane) plane[i] = this.out[Math.min(channel, this.channels - 1)]?.[this.taken] ?? 0;
      }
      this.taken++;
    }
  }

  /** How far the reader is behind `position_us`, in milliseconds; 0 before anything was read. */
  offsetMs(position_us: number): number {
    if (this.cursor === undefined) return 0;
    return ((this.numberOf(position_us) - this.cursor + this.hop - this.taken) * 1000) / this.sampleRateHz;
  }

  /** Sound ready beyond `position_us`, in milliseconds. */
  bufferedMs(position_us: number): number {
    return Math.max(0, ((this.end - this.numberOf(position_us)) * 1000) / this.sampleRateHz);
  }

  /** The longest time without sound to play, once there had been some; what was repeated meanwhile counts too. */
  get longestGapMs(): number {
    return (this.longestDry * 1000) / this.sampleRateHz;
  }

  forgetGaps(): void {
    this.longestDry = 0;
  }

  clear(): void {
    this.start = this.end = 0;
    this.origin = this.cursor = this.ghost = undefined;
    this.dry = 0;
    this.taken = this.hop;
  }

  private makeHop(wanted: number): void {
    const { hop, sampleRateHz } = this;
    const next = this.cursor ?? Math.round(wanted);
    const error = wanted - next;
    this.sinceSplice++;
    if (Math.abs(error) > JUMP_S * sampleRateHz || this.start > next) {
      this.copy(Math.max(Math.round(wanted), this.start), next);
      return;
    }
    if (next + hop > this.end) {
      this.stretchEnd(next);
      return;
    }
    this.heard();
    if (this.ghost !== undefined) {
      this.fade(this.ghost, next, 1);
      this.ghost = undefined;
      this.cursor = next + hop;
      return;
    }
    // Every other hop at most: two splices in a row are heard as roughness.
    if (Math.abs(error) <= TOLERANCE_S * sampleRateHz || this.sinceSplice < 2) this.copy(next, next);
    else this.splice(next, error > 0 ? 1 : -1, Math.abs(error));
  }

  /** Nothing to go on with: repeat the last sound a few times, then be silent and wait for the clock's place. */
  private stretchEnd(next: number): void {
    const { hop } = this;
    if (this.end === this.start) {
      this.silence(next);
      return;
    }
    if (this.dry === 0) this.underruns++;
    this.dry += hop;
    this.longestDry = Math.max(this.longestDry, this.dry);
    const from = this.end - hop - this.reach(LONGEST_S);
    if (this.repeats >= REPEATS || from < this.start) {
      this.silence(next);
      return;
    }
    const gain = 1 - this.repeats / REPEATS;
    this.repeats++;
    // What would have come is not known: look for what resembles the sound just heard, and go on from there.
    const best = this.mostAlike(this.end - hop, from - hop, this.end - 2 * hop);
    this.fade(this.end - hop, best, gain);
    this.ghost = best + hop;
    this.cursor = next;
  }

  private heard(): void {
    this.dry = 0;
    this.repeats = 0;
  }

  private splice(next: number, direction: 1 | -1, error: number): void {
    const { hop } = this;
    const longest = Math.min(this.reach(LONGEST_S), Math.max(error, this.reach(SHORTEST_S) + STRIDE));
    const near = next + direction * this.reach(SHORTEST_S);
    const far = Math.round(next + direction * longest);
    const low = Math.max(Math.min(near, far), this.start);
    const high = Math.min(Math.max(near, far), this.end - hop);
    if (high < low) {
      this.copy(next, next);
      return;
    }
    const best = this.mostAlike(next, low, high);
    this.fade(next, best, 1);
    this.cursor = best + hop;
    this.sinceSplice = 0;
  }

  /** Where between `low` and `high` a hop begins that resembles the one at `like` most. */
  private mostAlike(like: number, low: number, high: number): number {
    let best = low;
    let bestScore = -Infinity;
    for (let at = Math.max(low, this.start); at <= high; at += STRIDE) {
      let product = 0;
      let energy = 1e-9;
      for (let i = 0; i < this.hop; i += STRIDE) {
        const sample = this.sample(0, at + i);
        product += sample * this.sample(0, like + i);
        energy += sample * sample;
      }
      const score = product / Math.sqrt(energy);
      if (score > bestScore) [bestScore, best] = [score, at];
    }
    return best;
  }

  /** A hop that begins as the sound at `from` and ends as the sound at `to`. */
  private fade(from: number, to: number, gain: number): void {
    for (let i = 0; i < this.hop; i++) {
      const share = i / this.hop;
      for (let channel = 0; channel < this.channels; channel++) {
        const target = this.out[channel];
        if (target) target[i] = gain * ((1 - share) * this.sample(channel, from + i) + share * this.sample(channel, to + i));
      }
    }
  }

  /** A hop from `at`; a jump from where the sound would have gone on is faded over. */
  private copy(at: number, next: number): void {
    this.fade(at === next || this.cursor === undefined ? at : next, at, 1);
    this.cursor = at + this.hop;
  }

  /** Time goes on without sound, so that sound that comes after all begins at its place. */
  private silence(next: number): void {
    for (const plane of this.out) plane.fill(0);
    this.ghost = undefined;
    this.cursor = next + (this.end === this.start ? this.hop : 0);
  }

  private numberOf(media_us: number): number {
    return (media_us * this.sampleRateHz) / 1e6 - (this.origin ?? 0);
  }

  private reach(seconds: number): number {
    return Math.round(seconds * this.sampleRateHz);
  }

  private put(at: number, planes: readonly Float32Array[] | undefined, index: number): void {
    const slot = at % this.capacity;
    for (let channel = 0; channel < this.channels; channel++) {
      const target = this.planes[channel];
      if (target) target[slot] = planes?.[Math.min(channel, planes.length - 1)]?.[index] ?? 0;
    }
  }

  private sample(channel: number, at: number): number {
    if (at < this.start || at >= this.end) return 0;
    return this.planes[channel]?.[at % this.capacity] ?? 0;
  }
}
