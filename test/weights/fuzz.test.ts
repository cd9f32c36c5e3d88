import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { inferNetwork, matchWeights, openWeights } from '../../lib/weights';
import { DinomalyError } from '../../lib/errors';
import { temporaryFolder } from '../support/temporaryFolder';

const golden = path.join(__dirname, '../golden');
const file = path.join(temporaryFolder(), 'fuzzed');

/** A small generator of Marsaglia's xorshift family, so that a failure can be had again. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** Where the format itself lies: the header of a safetensors file, pickle and directory of an archive. */
function structure(bytes: Buffer): [number, number][] {
  if (bytes.toString('latin1', 0, 2) !== 'PK') return [[0, 8 + Number(bytes.readBigUInt64LE(0))]];
  const pickle = bytes.indexOf('data.pkl');
  const directory = bytes.indexOf(Buffer.from('PK\x01\x02', 'latin1'));
  return [
    [0, pickle],
    [pickle, pickle + 4000],
    [directory, bytes.length],
  ];
}

test.each([
  ['release.safetensors', 400],
  ['hf.safetensors', 400],
  ['release.pth', 300],
  ['model.pth', 200],
])('%s with changed bytes is read or refused, and nothing else', async (name, rounds) => {
  const original = readFileSync(path.join(golden, 'formats', name));
  const wanted = [...(await openWeights(path.join(golden, 'formats', name))).tensors].map(([tensor, { shape }]) => ({
    name: tensor,
    shape,
  }));
  const random = generator(name.length);
  const places = structure(original);
  let refused = 0;
  for (let round = 0; round < rounds; round++) {
    const bytes = Buffer.from(original);
    for (let n = 1 + random(4); n > 0; n--) {
      const [start, end] = places[random(places.length)]!;
      const position = start + random(end - start);
      bytes[position] = random(2) === 0 ? random(256) : bytes[position]! ^ (1 << random(8));
    }
    writeFileSync(file, bytes);
    const started = performance.now();
    try {
      const weights = await openWeights(file);
      for (const { offset, byteLength } of weights.tensors.values()) {
        expect(offset + byteLength).toBeLessThanOrEqual(statSync(file).size);
      }
      inferNetwork(weights);
      matchWeights(weights, wanted);
    } catch (error) {
      if (!(error instanceof DinomalyError)) throw error;
      refused++;
    }
    expect(performance.now() - started).toBeLessThan(5000);
  }
  expect(refused).toBeGreaterThan(rounds / 4);
});
