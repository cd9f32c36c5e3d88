// Maps and scores as a graph.
import type { ModelConfig } from '../types';
import type { Graph } from './graph';
import { type Features, sideOf } from './network';
import { floats } from './tensors';

/** Side of maps, in pixels. */
export const mapSide = 256;
/** Pixels whose mean is the score: a hundredth. */
const scoredPixels = Math.floor(mapSide ** 2 / 100);
/** torch's cosine_similarity takes no norm for smaller. */
const smallestNorm = 1e-8;

/** Adds outputs `map` (B,1,256,256) and `score` (B). */
export function addMap(graph: Graph, { encoder, decoder }: Features, config: ModelConfig): void {
  const side = sideOf(config);
  const distances = encoder.map((features, group) => cosineDistance(graph, features, decoder[group]!));
  const distance = distances.length === 1 ? distances[0]! : graph.add('Mean', distances);
  const first = 1 + config.encoder.registers;
  const patches = graph.add('Slice', [distance, graph.list(first), graph.list(first + side ** 2), graph.list(1)]);
  const grid = graph.add('Reshape', [patches, graph.list(0, 1, side, side)]);

  const axis = mapAxis(side, config.image.crop);
  const rows = graph.weight('map.rows', floats(axis, [mapSide, side]));
  const columns = graph.weight('map.columns', floats(turned(axis, mapSide, side), [side, mapSide]));
  const map = graph.add('MatMul', [graph.add('MatMul', [rows, grid]), columns], {}, 'map');

  const pixels = graph.add('Reshape', [map, graph.list(0, mapSide ** 2)]);
  const [highest] = graph.addSeveral('TopK', [pixels, graph.list(scoredPixels)], 2, { sorted: { i: 0 } });
  const sum = graph.add('ReduceSum', [highest!, graph.list(-1)], { keepdims: { i: 0 } });
  graph.add('Mul', [sum, graph.scalar(1 / scoredPixels)], {}, 'score');
}

/** 1 - cosine between tokens (B,N,D). @returns (B,N) */
function cosineDistance(graph: Graph, encoder: string, decoder: string): string {
  const dot = (a: string, b: string) =>
    graph.add('ReduceSum', [graph.add('Mul', [a, b]), graph.list(-1)], { keepdims: { i: 0 } });
  const norm = (a: string) => graph.add('Max', [graph.add('Sqrt', [dot(a, a)]), graph.scalar(smallestNorm)]);
  const cosine = graph.add('Div', [dot(encoder, decoder), graph.add('Mul', [norm(encoder), norm(decoder)])]);
  return graph.add('Sub', [graph.scalar(1), cosine]);
}

/**
 * One axis of the way from patches to the map, as a matrix (256, patches): bilinear with aligned corners to the picture's
 * size, bilinear without to 256, then the Gaussian with zeros around. All three are linear and separable.
 */
function mapAxis(patches: number, size: number): Float32Array {
  let matrix = identity(patches);
  matrix = resampled(matrix, patches, size, (i) => (size > 1 ? (i * (patches - 1)) / (size - 1) : 0));
  matrix = resampled(matrix, patches, mapSide, (i) => Math.max(0, ((i + 0.5) * size) / mapSide - 0.5));
  return Float32Array.from(blurred(matrix, patches));
}

function identity(size: number): Float64Array {
  return new Float64Array(size * size).map((_, index) => (index % (size + 1) === 0 ? 1 : 0));
}

/** Rows between rows: the i-th of `count` lies at `source(i)` of the matrix. */
function resampled(matrix: Float64Array, columns: number, count: number, source: (i: number) => number): Float64Array {
  const last = matrix.length / columns - 1;
  return new Float64Array(count * columns).map((_, index) => {
    const [row, column] = [Math.floor(index / columns), index % columns];
    const low = Math.min(Math.floor(source(row)), last);
    const share = source(row) - low;
    const at = (i: number) => matrix[Math.min(i, last) * columns + column]!;
    return (1 - share) * at(low) + share * at(low + 1);
  });
}

/** Each column under 5 taps of a Gaussian of sigma 4. */
function blurred(matrix: Float64Array, columns: number): Float64Array {
  const taps = [-2, -1, 0, 1, 2].map((offset) => ({ offset, weight: Math.exp(-(offset ** 2) / (2 * 4 ** 2)) }));
  const total = taps.reduce((sum, { weight }) => sum + weight, 0);
  return matrix.map((_, index) => {
    const sum = taps.reduce(
      (before, { offset, weight }) => before + weight * (matrix[index + offset * columns] ?? 0),
      0,
    );
    return sum / total;
  });
}

function turned(matrix: Float32Array, rows: number, columns: number): Float32Array {
  return new Float32Array(matrix.length).map(
    (_, index) => matrix[(index % rows) * columns + Math.floor(index / rows)]!,
  );
}
