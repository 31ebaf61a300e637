/**
 * The "legacy" hang container: a QUIC variable-length integer (RFC 9000 section 16) with the presentation time in
 * microseconds, then the codec's bytes. An empty payload only marks that content stops there.
 */

export interface ContainerFrame {
  pts_us: number;
  data: Uint8Array;
}

/** Read a variable-length integer; returns the value and its size. @throws RangeError when the bytes end too early. */
export function readVarint(bytes: Uint8Array): { value: number; size_bytes: number } {
  const first = bytes[0];
  if (first === undefined) throw new RangeError("the frame is empty where its timestamp should be");
  const size = 1 << (first >> 6);
  if (bytes.length < size) throw new RangeError("the frame ends inside its timestamp");
  // Timestamps need 51 bits until the year 2041, so a double holds them exactly.
  let value = first & 0x3f;
  for (let i = 1; i < size; i++) value = value * 256 + (bytes[i] ?? 0);
  return { value, size_bytes: size };
}

/** Split a frame; undefined for a marker without content. */
export function readLegacyFrame(payload: Uint8Array): ContainerFrame | undefined {
  const { value, size_bytes } = readVarint(payload);
  if (size_bytes === payload.length) return undefined;
  return { pts_us: value, data: payload.subarray(size_bytes) };
}
