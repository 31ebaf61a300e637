/**
 * Group numbers and times, as the whole cloud counts them (src/skyriver/fabric/numbering.py): a group's number is the
 * presentation time of its first frame in ticks of 250 ms; keyframes stand at the first picture of every 2-second slot.
 */

export const TICK_US = 250_000;
export const SLOT_US = 2_000_000;

export const groupOf = (pts_us: number): number => Math.floor(pts_us / TICK_US);
export const slotOf = (pts_us: number): number => Math.floor(pts_us / SLOT_US);

/** How far two tracks' clocks may seem apart and still be one clock: their first frames come with different delays. */
const SAME_CLOCK_US = 1_000_000;

/**
 * Media time of both tracks of one capture, in microseconds since 1970.
 *
 * Browsers stamp pictures and sound of one capture with one clock of arbitrary origin. The first frame of either maps to
 * the moment it came; the other track uses the same mapping, so that lips and voice stay together, unless its
 * clock is plainly another one.
 */
export class CaptureClock {
  private shared_us: number | undefined;
  private readonly offsets_us = new Map<string, number>();

  constructor(private readonly now_us: () => number = () => Math.round((performance.timeOrigin + performance.now()) * 1000)) {}

  mediaTime(track: "video" | "audio", stamp_us: number): number {
    let offset_us = this.offsets_us.get(track);
    if (offset_us === undefined) {
      const own_us = this.now_us() - stamp_us;
      this.shared_us ??= own_us;
      offset_us = Math.abs(own_us - this.shared_us) < SAME_CLOCK_US ? this.shared_us : own_us;
      this.offsets_us.set(track, offset_us);
    }
    return Math.round(stamp_us + offset_us);
  }

  /** A track was replaced by one of another device: its next frame is mapped anew. */
  forget(track: "video" | "audio"): void {
    this.offsets_us.delete(track);
  }
}

/** A frame in the "legacy" container: its time as a QUIC variable-length integer (RFC 9000 section 16), then its bytes. */
export function legacyFrame(pts_us: number, size_bytes: number, copyTo: (target: Uint8Array<ArrayBuffer>) => void): Uint8Array<ArrayBuffer> {
  // Always the 8-byte form: times since 1970 need 51 bits.
  const frame = new Uint8Array(8 + size_bytes);
  new DataView(frame.buffer).setBigUint64(0, BigInt(pts_us) | (3n << 62n));
  copyTo(frame.subarray(8));
  return frame;
}
