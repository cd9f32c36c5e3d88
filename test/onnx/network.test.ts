import path from 'node:path';
import { type CreateOptions, Dinomaly, type ExportOptions, type Tensor } from '../../lib';
import { batch, batches, disposing, small } from '../support/small';
import { temporaryFolder } from '../support/temporaryFolder';
import { runOnnx } from './runtime';

const folder = temporaryFolder();
const opened = disposing();

/** Exports, runs the file and the model on the same pictures, and compares. @returns the file */
async function expectSame(model: Dinomaly, options: ExportOptions, ...inputs: Tensor[]): Promise<string> {
  const file = path.join(folder, 'model.onnx');
  await model.exportOnnx(file, options);
  const found = await runOnnx(file, ...inputs);
  for (const [index, input] of inputs.entries()) {
    const { maps, scores } = await model.infer(input);
    const { map, score } = found[index]!;
    expect(map.shape).toEqual([input.shape[0], 1, 256, 256]);
    expect(score.shape).toEqual([input.shape[0]]);
    for (const [i, expected] of scores.entries()) {
      expect(expected).toBeGreaterThan(0);
      expect(Math.abs(score.data[i]! / expected - 1)).toBeLessThan(1e-4);
    }
    expect(difference(map.data, maps.data)).toBeLessThan(1e-5);
  }
  return file;
}

/** Largest difference, relative to the largest expected value. */
function difference(found: Float32Array, expected: Float32Array): number {
  expect(found).toHaveLength(expected.length);
  const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - found[i]!)), 0);
  return worst / expected.reduce((most, value) => Math.max(most, value), 0);
}

const { encoder } = small;

describe.each<[string, CreateOptions, number]>([
  ['small', small, 56],
  ['with positions as stored', { ...small, encoder: { ...encoder, grid: 4 } }, 56],
  ['with registers, without LayerScale', { ...small, encoder: { ...encoder, registers: 4, layerScale: false } }, 56],
  ['of three heads of odd width', { ...small, encoder: { ...encoder, dim: 33, heads: 3 } }, 56],
  [
    'of small patches and an odd grid',
    { ...small, encoder: { ...encoder, patch: 7, grid: 3 }, image: { resize: 50, crop: 49 } },
    49,
  ],
  ['of one patch', { ...small, image: { resize: 16, crop: 14 } }, 14],
  [
    'of more pixels than maps have',
    { ...small, encoder: { ...encoder, patch: 32 }, image: { resize: 300, crop: 288 } },
    288,
  ],
  ['whose last blocks are no target', { ...small, encoder: { ...encoder, depth: 6, targets: [1, 3] } }, 56],
  ['of one group', { ...small, groups: [[0, 1, 2, 3]] }, 56],
  ['from layer to layer', { ...small, groups: [[0], [1], [2], [3]] }, 56],
  ['of groups that are no halves', { ...small, groups: [[2, 0], [1, 2, 3]] }, 56], // prettier-ignore
])('a network %s', (_, options, side) => {
  test('gives the same maps and scores when it is exported', async () => {
    const model = await opened(Dinomaly.create(options));
    await expectSame(model, {}, batch(1, 1, side), batch(2, 1, side));
  });
});

const tinyGroups = [[0, 1], [2, 3]]; // prettier-ignore
const tinyFile = path.join(__dirname, '../golden/tiny/dinomaly.pth');
const tiny = { encoder: { heads: 2, targets: [1, 2, 3, 4] }, groups: tinyGroups, image: { resize: 64, crop: 56 } };

test('biases, norms, LayerScale and registers that are no start values are exported', async () => {
  const model = await opened(Dinomaly.load(tinyFile, tiny));
  const state = await model.stateDict();
  for (const name of ['decoder.0.norm1.bias', 'decoder.3.mlp.fc2.bias', 'encoder.blocks.4.attn.qkv.bias']) {
    expect(state[name]!.data.some((value) => value !== 0)).toBe(true);
  }
  expect(state['encoder.blocks.0.ls1.gamma']!.data.some((value) => value !== 1)).toBe(true);
  await expectSame(model, {}, batch(1, 1));
});

test('a trained network, whose distances are small, gives the same scores', async () => {
  const model = await opened(Dinomaly.create(small));
  const before = (await model.infer(batch(1, 1))).scores[0]!;
  await model.train(batches(60), { warmup: 2, learningRate: 5e-3 });
  expect((await model.infer(batch(1, 1))).scores[0]!).toBeLessThan(before / 2);
  await expectSame(model, {}, batch(1, 1), batch(100, 1));
});

test('dynamicBatch takes one picture and several', async () => {
  const model = await opened(Dinomaly.create({ ...small, encoder: { ...encoder, registers: 2 } }));
  const file = await expectSame(model, { dynamicBatch: true }, batch(1, 1), batch(2, 3));
  await model.exportOnnx(file);
  await expect(runOnnx(file, batch(2, 3))).rejects.toThrow(/dimensions|invalid/i);
});

test.each([17, 18, 19, 20, 21, 22, 23, 24, 25, 26])('opset %i means the same', async (opset) => {
  const model = await opened(Dinomaly.create(small));
  await expectSame(model, { opset, dynamicBatch: true }, batch(1, 2));
});

test('the encoder in this package gives the same scores, and the event loop turns while it is exported', async () => {
  const model = await opened(Dinomaly.create({ image: { resize: 256, crop: 224 }, threads: 2 }));
  let turns = 0;
  const count = (): void => void (turns++, (next = setImmediate(count)));
  let next = setImmediate(count);
  await model.exportOnnx(path.join(folder, 'turns.onnx'));
  clearImmediate(next);
  expect(turns).toBeGreaterThan(100); // a piece of a megabyte at a time
  await expectSame(model, {}, batch(1, 1, 224));
});
