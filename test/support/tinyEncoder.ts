import { readFileSync } from 'node:fs';
import path from 'node:path';
import { openWeights } from '../../lib/weights';
import { writeSafetensors } from './writeSafetensors';

/** Writes tiny's encoder as the DINOv2 release would have it, from the whole model's file. Returns the path. */
export async function writeTinyEncoder(folder: string): Promise<string> {
  const model = path.join(__dirname, '../golden/tiny/dinomaly.pth');
  const bytes = readFileSync(model);
  const { tensors } = await openWeights(model);
  const encoder = [...tensors]
    .filter(([name]) => name.startsWith('encoder.'))
    .map(([name, { dtype, shape, offset, byteLength }]) => {
      const tensor = { dtype, shape, bytes: bytes.subarray(offset, offset + byteLength) };
      return [name.slice('encoder.'.length), tensor] as const;
    });
  const file = path.join(folder, 'encoder.safetensors');
  writeSafetensors(file, new Map(encoder));
  return file;
}
