import { readFileSync, writeFileSync } from 'node:fs';
import type { Tensor } from '../../lib';
import { runScript } from '../support/runScript';

export interface Ran {
  map: Tensor;
  score: { data: number[]; shape: number[] };
}

/** What onnxruntime makes of pictures (B,3,H,W) with an exported network; they are written beside its file. */
export async function runOnnx(file: string, ...inputs: Tensor[]): Promise<Ran[]> {
  const written = inputs.map(({ data, shape }, index) => {
    const input = `${file}.${index}`;
    writeFileSync(input, data);
    return { file: input, shape };
  });
  const results = (await runScript('onnx.mjs', { args: [file, JSON.stringify(written)] })) as {
    map: { file: string; shape: number[] };
    score: Ran['score'];
  }[];
  return results.map(({ map, score }) => ({ map: { data: numbersIn(map.file), shape: map.shape }, score }));
}

function numbersIn(file: string): Float32Array {
  const bytes = readFileSync(file);
  return Float32Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(4 * index));
}
