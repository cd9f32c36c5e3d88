/** Bytes per number of every dtype that a header may name. Those of less than a byte are not known here. */
export const dtypeSizes = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
} as const;

export type Dtype = keyof typeof dtypeSizes;

/** A tensor in a file: row-major, little-endian, `byteLength` = product of `shape` times the dtype's size. */
export interface FileTensor {
  dtype: Dtype;
  shape: number[];
  offset: number;
  byteLength: number;
}

/** What a weights file holds, by the file's own names. Its numbers were not read. */
export interface WeightsFile {
  path: string;
  /** `__metadata__` of a safetensors file; empty for a PyTorch file. */
  metadata: Map<string, string>;
  tensors: Map<string, FileTensor>;
  /** Names whose values cannot be had, with the reason: an error only for who wants them. */
  unusable: Map<string, string>;
}

export function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** The number of values of a shape, or undefined if it is not a list of sizes whose product is a safe integer. */
export function elementCount(shape: readonly unknown[]): number | undefined {
  let count = 1;
  for (const size of shape) {
    if (!isSize(size)) return undefined;
    count *= size;
    if (!isSize(count)) return undefined;
  }
  return count;
}
