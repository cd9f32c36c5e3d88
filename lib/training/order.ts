/** Scrambles 32 bits: the finaliser of MurmurHash3 (Appleby). */
function scramble(word: number): number {
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return (word ^ (word >>> 16)) >>> 0;
}

/**
 * 0 to `length` - 1 in the order of an epoch. It follows from seed and epoch alone, so that a resumed run needs to know
 * no more than its iteration.
 */
export function permutation(length: number, seed: number, epoch: number): Uint32Array {
  const key = scramble(scramble(seed + 0x9e3779b9) + epoch);
  const order = Uint32Array.from({ length }, (_, index) => index);
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor((scramble(key + i) / 2 ** 32) * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
