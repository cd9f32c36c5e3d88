import { readFileSync } from 'node:fs';

export interface Tensor {
  shape: number[];
  data: Float32Array;
}

/** A float16's value: 1 sign, 5 exponent, 10 mantissa bits. */
export function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 0x1f) return mantissa ? NaN : sign * Infinity;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

/** Little-endian numbers of one dtype, as float32. */
export function toFloat32(bytes: Buffer, dtype: string): Float32Array {
  switch (dtype) {
    case 'F32':
      return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
    case 'F16':
      return Float32Array.from({ length: bytes.length / 2 }, (_, i) => halfToNumber(bytes.readUInt16LE(2 * i)));
    case 'BF16': {
      const bits = Uint32Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readUInt16LE(2 * i) << 16);
      return new Float32Array(bits.buffer);
    }
    case 'U8':
      return Float32Array.from(bytes);
    default:
      throw new Error(`${dtype} is not read by the tests' helper`);
  }
}

/** All tensors of a trusted safetensors file. Knows nothing of lib/weights, which is tested against it. */
export function readSafetensors(path: string): Map<string, Tensor> {
  const file = readFileSync(path);
  const start = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, start)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const tensors = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue; // it has no such fields
    const { dtype, shape, data_offsets: offsets } = entry;
    const [begin, end] = offsets;
    tensors.set(name, { shape, data: toFloat32(file.subarray(start + begin, start + end), dtype) });
  }
  return tensors;
}
