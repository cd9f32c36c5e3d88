// Position embeddings of another grid than the stored one.

/**
 * The stored positions (1 + grid x grid, dim), the class token's first, for a grid of side x side: bicubic (a = -0.75, clamped
 * at the edge) with (side + 0.1) / grid itself as the scale, as DINOv2 has it.
 */
export function stretchPositions(stored: Float32Array, grid: number, side: number, dim: number): Float32Array {
  if (side === grid) return stored;
  const stretched = new Float32Array((1 + side * side) * dim);
  stretched.set(stored.subarray(0, dim));
  const axis = Array.from({ length: side }, (_, i) => tapsAt(i, side, grid));
  for (const [row, down] of axis.entries()) {
    for (const [column, across] of axis.entries()) {
      const to = stretched.subarray((1 + row * side + column) * dim).subarray(0, dim);
      to.set(weightedSum(stored, grid, dim, down, across));
    }
  }
  return stretched;
}

interface Tap {
  index: number;
  weight: number;
}

function weightedSum(stored: Float32Array, grid: number, dim: number, down: Tap[], across: Tap[]): Float64Array {
  const sum = new Float64Array(dim);
  for (const y of down) {
    for (const x of across) {
      const from = (1 + y.index * grid + x.index) * dim;
      const weight = y.weight * x.weight;
      for (let channel = 0; channel < dim; channel++) sum[channel]! += weight * stored[from + channel]!;
    }
  }
  return sum;
}

function tapsAt(i: number, side: number, grid: number): Tap[] {
  const source = ((i + 0.5) * grid) / (side + 0.1) - 0.5;
  return [-1, 0, 1, 2].map((offset) => {
    const at = Math.floor(source) + offset;
    return { index: Math.min(Math.max(at, 0), grid - 1), weight: cubic(source - at) };
  });
}

/** Keys' kernel. */
function cubic(distance: number): number {
  const a = -0.75;
  const x = Math.abs(distance);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}
