import { writeFileSync } from 'node:fs';

export interface RawTensor {
  dtype: string;
  shape: number[];
  bytes: Buffer;
}

/** Length, header, data: the header may be anything. */
export function safetensorsBytes(header: unknown, data: Buffer): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, data]);
}

/** Writes a valid file, the tensors one after the other. */
export function writeSafetensors(
  path: string,
  tensors: Map<string, RawTensor>,
  metadata?: Record<string, string>,
): void {
  const header: Record<string, unknown> = metadata === undefined ? {} : { __metadata__: metadata };
  let end = 0;
  for (const [name, { dtype, shape, bytes }] of tensors) {
    header[name] = { dtype, shape, data_offsets: [end, end + bytes.length] };
    end += bytes.length;
  }
  writeFileSync(path, safetensorsBytes(header, Buffer.concat([...tensors.values()].map(({ bytes }) => bytes))));
}
