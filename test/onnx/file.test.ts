import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { Dinomaly, DinomalyError } from '../../lib';
import { writeAtomically } from '../../lib/atomicFile';
import { encodeModel } from '../../lib/onnx/file';
import { Graph } from '../../lib/onnx/graph';
import { rejection } from '../support/error';
import { disposing, small } from '../support/small';
import { temporaryFolder } from '../support/temporaryFolder';

const folder = temporaryFolder();
const opened = disposing();

test('the same model gives the same bytes, without blocks that no score depends on', async () => {
  const encoder = { ...small.encoder, depth: 6, targets: [1, 3] };
  const model = await opened(Dinomaly.create({ ...small, encoder }));
  const files = ['a.onnx', 'b.onnx'].map((name) => path.join(folder, name));
  for (const file of files) await model.exportOnnx(file);
  const [a, b] = files.map((file) => readFileSync(file));
  expect(a!.equals(b!)).toBe(true);
  expect(a!.includes('encoder.blocks.3.mlp.fc2.weight')).toBe(true);
  expect(a!.includes('encoder.blocks.4')).toBe(false);
  expect(a!.includes('decoder.1.mlp.fc2.weight')).toBe(true);
});

test('the file says how pictures are prepared and what wrote it', async () => {
  const model = await opened(Dinomaly.create(small));
  const file = path.join(folder, 'said.onnx');
  await model.exportOnnx(file);
  const head = readFileSync(file).subarray(0, 1000).toString('latin1');
  const { version } = JSON.parse(readFileSync(path.join(__dirname, '../../package.json'), 'utf8')) as {
    version: string;
  };
  for (const said of ['dinomaly-native', version, 'resized to 64x64', 'centre crop 56', '[0.485,0.456,0.406]']) {
    expect(head).toContain(said);
  }
});

test('dispose ends an export that is being written, and nothing of it is left', async () => {
  const inside = path.join(folder, 'disposed');
  mkdirSync(inside);
  const model = await Dinomaly.create({ image: { resize: 256, crop: 224 }, threads: 2 });
  const ended = rejection(model.exportOnnx(path.join(inside, 'model.onnx')), 'ERR_DISPOSED');
  while (readdirSync(inside).length === 0) await turn();
  await model.dispose();
  await ended;
  expect(readdirSync(inside)).toEqual([]);
});

test.each([
  ['opset', { opset: 16 }],
  ['opset', { opset: 27 }],
  ['opset', { opset: 17.5 }],
  ['opset', { opset: '17' }],
  ['dynamicBatch', { dynamicBatch: 1 }],
  ['only the fields opset, dynamicBatch', { batch: 4 }],
])('%s: %j is refused', async (field, options) => {
  const model = await opened(Dinomaly.create(small));
  const file = path.join(folder, 'refused.onnx');
  const { message } = await rejection(model.exportOnnx(file, options as object), 'ERR_INVALID_ARGUMENT');
  expect(message).toContain('exportOnnx');
  expect(message).toContain(field);
  expect(existsSync(file)).toBe(false);
});

test('a path that is none, that cannot be written or that is a folder is refused', async () => {
  const model = await opened(Dinomaly.create(small));
  await rejection(model.exportOnnx(''), 'ERR_INVALID_ARGUMENT');
  await rejection(model.exportOnnx('/nowhere/at/all.onnx'), 'ERR_IO');
  await rejection(model.exportOnnx('/dev/full'), 'ERR_IO');
  const { message } = await rejection(model.exportOnnx(folder), 'ERR_IO');
  expect(message).toContain('found a folder');
});

test('a network of 2 GiB is refused before anything of it is written', () => {
  const graph = new Graph();
  const pieces = (): never => {
    throw new Error('written');
  };
  for (const name of ['a', 'b']) {
    graph.weight(name, { shape: [2 ** 28], type: 'float32', byteLength: 2 ** 30, pieces });
  }
  const encode = () => encodeModel({}, graph, { name: 'large', inputs: [], outputs: [] });
  expect(encode).toThrow(DinomalyError);
  expect(encode).toThrow(/less than 2 GiB, found one of 2\.00 GiB/);
  graph.constants.delete('b');
  expect(encode().byteLength).toBeGreaterThan(2 ** 30);
});

describe('a file that is written atomically', () => {
  const inside = path.join(folder, 'atomic');
  const file = path.join(inside, 'file');
  beforeAll(() => mkdirSync(inside));

  test('replaces what was there, and nothing of it is left', async () => {
    writeFileSync(file, 'before');
    await writeAtomically(file, [Buffer.from('af'), Buffer.from('ter')]);
    expect(readFileSync(file, 'utf8')).toBe('after');
    expect(readdirSync(inside)).toEqual(['file']);
  });

  test('leaves what was there where writing fails', async () => {
    writeFileSync(file, 'before');
    function* broken(): Iterable<Uint8Array> {
      yield Buffer.from('half');
      throw new Error('the source broke');
    }
    const { message } = await rejection(writeAtomically(file, broken()), 'ERR_IO');
    expect(message).toContain('the source broke');
    expect(readFileSync(file, 'utf8')).toBe('before');
    expect(readdirSync(inside)).toEqual(['file']);
  });

  test('removes what a killed process left, not what a living one writes', async () => {
    const id = '01234567-89ab-cdef-0123-456789abcdef';
    const [stale, living] = [2 ** 22 + 1, process.pid].map((pid) => `.file.${pid}-${id}.tmp`); // no pid is above 2^22
    for (const name of [stale!, living!]) writeFileSync(path.join(inside, name), 'half');
    await writeAtomically(file, [Buffer.from('after')]);
    expect(readdirSync(inside).sort()).toEqual([living, 'file']);
  });
});
