// What goes into every side: noise, since times do not depend on what is in a picture.

/** Bytes, the same for the same length. */
export function bytes(length) {
  const data = new Uint8Array(length);
  let state = 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = state >>> 24;
  }
  return data;
}

/** RGB pixels as they lie in memory. */
export function picture(side) {
  return { data: bytes(side * side * 3), width: side, height: side, channels: 3 };
}

/** A normalised batch (count, 3, side, side). */
export function batch(count, side) {
  const data = Float32Array.from(bytes(count * 3 * side * side), (byte) => (byte - 127.5) / 64);
  return { data, shape: [count, 3, side, side] };
}
