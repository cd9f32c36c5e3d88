// Constant tensors of an exported graph, whose bytes are made when they are written.
import type { Tensor } from '../types';

/** A tensor as the file holds it: row-major, little-endian. */
export interface Constant {
  shape: number[];
  type: 'float32' | 'int64';
  byteLength: number;
  /** Its bytes in order, at most about a megabyte at a time. */
  pieces: () => Iterable<Uint8Array>;
}

const pieceBytes = 2 ** 20;

/** Numbers as they are. */
export function floats(data: Float32Array, shape: number[]): Constant {
  return { shape, type: 'float32', byteLength: data.byteLength, pieces: () => inPieces(data) };
}

/** Whole numbers: shapes, axes and the like. */
export function integers(values: number[]): Constant {
  const data = BigInt64Array.from(values, BigInt);
  return { shape: [values.length], type: 'int64', byteLength: data.byteLength, pieces: () => inPieces(data) };
}

/** A linear layer's weight (out, in) as MatMul takes it, (in, out); each output multiplied by its `scale`. */
export function transposed({ data, shape }: Tensor, scale?: Float32Array): Constant {
  const [outputs, inputs] = shape as [number, number];
  const rows = Math.max(1, Math.floor(pieceBytes / (4 * outputs)));
  function* pieces(): Iterable<Uint8Array> {
    for (let first = 0; first < inputs; first += rows) {
      yield bytesOf(transposedRows(data, outputs, inputs, first, Math.min(first + rows, inputs), scale));
    }
  }
  return { shape: [inputs, outputs], type: 'float32', byteLength: data.byteLength, pieces };
}

function transposedRows(
  data: Float32Array,
  outputs: number,
  inputs: number,
  first: number,
  end: number,
  scale?: Float32Array,
): Float32Array {
  const rows = new Float32Array((end - first) * outputs);
  for (let output = 0; output < outputs; output++) {
    const factor = scale ? scale[output]! : 1;
    for (let input = first; input < end; input++) {
      rows[(input - first) * outputs + output] = factor * data[output * inputs + input]!;
    }
  }
  return rows;
}

function* inPieces(data: Float32Array | BigInt64Array): Iterable<Uint8Array> {
  const bytes = bytesOf(data);
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array | BigInt64Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
