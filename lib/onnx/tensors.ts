// Constant tensors of an exported graph, whose bytes are made when they are written.
import type { Tensor } from '../types';

/** A tensor as the file holds it: row-major, little-endian. */
export interface Constant {
  shape: number[];
  type: 'float32' | 'int64';
  byteLength: number;
  /** Its bytes in order, about a megabyte at a time, each piece valid until the next is asked for. */
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
  const most = Math.max(1, Math.floor(pieceBytes / (4 * outputs)));
  function* pieces(): Iterable<Uint8Array> {
    const rows = new Float32Array(most * outputs);
    for (let first = 0; first < inputs; first += most) {
      const count = Math.min(most, inputs - first);
      for (let output = 0; output < outputs; output++) {
        const factor = scale ? scale[output]! : 1;
        const from = output * inputs + first;
        for (let row = 0; row < count; row++) rows[row * outputs + output] = factor * data[from + row]!;
      }
      yield bytesOf(rows.subarray(0, count * outputs));
    }
  }
  return { shape: [inputs, outputs], type: 'float32', byteLength: data.byteLength, pieces };
}

function* inPieces(data: Float32Array | BigInt64Array): Iterable<Uint8Array> {
  const bytes = bytesOf(data);
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array | BigInt64Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
