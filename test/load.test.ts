import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Dinomaly, type ModelConfig } from '../lib';
import { rejection } from './support/error';
import { disposing, small } from './support/small';
import { readSafetensors, type Tensor } from './support/safetensors';
import { temporaryFolder } from './support/temporaryFolder';
import { safetensorsBytes } from './support/writeSafetensors';

const folder = temporaryFolder();
const formats = path.join(__dirname, 'golden/formats');
const opened = disposing();

/** A saved model whose `__metadata__` was changed afterwards. */
async function changed(name: string, change: (metadata: Record<string, string>) => void): Promise<string> {
  const file = path.join(folder, name);
  const model = await opened(Dinomaly.create(small));
  await model.save(file);
  const bytes = readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as { __metadata__: Record<string, string> };
  change(header.__metadata__);
  writeFileSync(file, safetensorsBytes(header, bytes.subarray(start)));
  return file;
}

function changedConfig(name: string, change: (config: ModelConfig) => void): Promise<string> {
  return changed(name, (metadata) => {
    const config = JSON.parse(metadata['config']!) as ModelConfig;
    change(config);
    metadata['config'] = JSON.stringify(config);
  });
}

test('a file that was not changed loads', async () => {
  const model = await opened(Dinomaly.load(await changed('same', () => {})));
  expect(model.config.encoder).toMatchObject(small.encoder);
});

test.each<[string, Record<string, string>, RegExp]>([
  ['a configuration that is no JSON', { config: '{' }, /config: expected JSON, found '\{'/],
  ['an empty configuration', { config: '' }, /config: expected JSON, found ''/],
  ['a newer version', { version: '2' }, /version 1 .*found 2/],
])('a file with %s is refused', async (name, change, message) => {
  const file = await changed(name, (metadata) => Object.assign(metadata, change));
  const error = await rejection(Dinomaly.load(file), 'ERR_FILE_FORMAT');
  expect(error.message).toMatch(message);
  expect(error.message).toContain(file);
});

test.each<[string, (config: ModelConfig) => void, 'ERR_FILE_FORMAT' | 'ERR_WEIGHTS_MISMATCH', RegExp]>([
  ['a dim that is not its own', (c) => (c.encoder.dim = 65_536), 'ERR_WEIGHTS_MISMATCH', /dim 65536.*found 64/],
  ['a text for a number', (c) => (c.encoder.grid = 'x' as never), 'ERR_FILE_FORMAT', /encoder.grid: .*found 'x'/],
  ['a crop that the patch does not divide', (c) => (c.image.crop = 57), 'ERR_FILE_FORMAT', /image.crop: .*found 57/],
  ['a target that is not there', (c) => (c.encoder.targets = [0, 1, 2, 9]), 'ERR_FILE_FORMAT', /encoder.targets: /],
])('a file whose configuration has %s is refused', async (name, change, code, message) => {
  const file = await changedConfig(name, change);
  const error = await rejection(Dinomaly.load(file), code);
  expect(error.message).toMatch(message);
  expect(error.message).toContain(file);
});

test('an encoder alone is no model', async () => {
  const file = path.join(__dirname, '../models/dinov2_vits14.safetensors');
  expect((await rejection(Dinomaly.load(file), 'ERR_WEIGHTS_MISMATCH')).message).toMatch(/Dinomaly.create as weights/);
});

test('weights of another network are refused, tensor by tensor', async () => {
  const weights = path.join(formats, 'release.safetensors');
  const encoder = { dim: 64, heads: 1, depth: 2, grid: 4, registers: 2, targets: [0, 1] };
  const error = await rejection(Dinomaly.create({ encoder, weights }), 'ERR_WEIGHTS_MISMATCH');
  expect(error.message).toMatch(/pos_embed.*\[1, 17, 64\] expected, found \[1, 10, 64\]/);
});

const encoder = { dim: 64, heads: 1, depth: 2, grid: 3, registers: 2, targets: [0, 1] };
const reference = readSafetensors(path.join(formats, 'release.f32.safetensors'));

async function encoderOf(weights: string): Promise<Map<string, Tensor>> {
  const model = await opened(Dinomaly.create({ encoder, weights: path.join(formats, weights) }));
  const state = Object.entries(await model.stateDict()).filter(([name]) => name.startsWith('encoder.'));
  return new Map(state.map(([name, tensor]) => [name.slice('encoder.'.length), tensor]));
}

test.each(['release.safetensors', 'release.f32.safetensors', 'release.pth', 'hf.safetensors', 'model.pth'])(
  '%s gives the same encoder, bit for bit',
  async (weights) => {
    const found = await encoderOf(weights);
    expect(found.size).toBeGreaterThan(20);
    for (const [name, { shape, data }] of found) {
      expect(shape).toEqual(reference.get(name)!.shape);
      expect(Buffer.from(data.buffer).equals(Buffer.from(reference.get(name)!.data.buffer))).toBe(true);
    }
  },
);

test('a released model gives its bottleneck and decoder too', async () => {
  const options = { encoder: { targets: [0, 1] }, image: { resize: 56, crop: 42 } };
  const model = await opened(Dinomaly.load(path.join(formats, 'model.pth'), options));
  expect(model.config).toMatchObject({ decoderDepth: 2, trained: true, groups: [[0], [1]], heatmapMax: 0.5 });
  const fresh = await opened(Dinomaly.create({ encoder, weights: path.join(formats, 'model.pth') }));
  const name = 'decoder.0.attn.qkv.weight';
  expect((await model.stateDict())[name]!.data).not.toEqual((await fresh.stateDict())[name]!.data);
});

test('a released model that does not say its targets needs them where the defaults do not fit', async () => {
  const error = await rejection(Dinomaly.load(path.join(formats, 'model.pth')), 'ERR_INVALID_ARGUMENT');
  expect(error.message).toMatch(/encoder.targets: expected ascending blocks from 0 to 1/);
});

describe('the hub', () => {
  const before = { ...process.env };
  afterEach(() => {
    process.env = { ...before };
  });

  test('is where named encoders come from', async () => {
    process.env['HF_HUB_CACHE'] = folder;
    process.env['HF_HUB_OFFLINE'] = '1';
    const error = await rejection(Dinomaly.create({ encoder: 'dinov2reg_vit_base_14' }), 'ERR_HUB');
    expect(error.message).toContain('facebook/dinov2-with-registers-base');
    const embedded = Dinomaly.create({ encoder: 'dinov2_vit_small_14', weights: 'hub' });
    expect((await rejection(embedded, 'ERR_HUB')).message).toContain('facebook/dinov2-small');
  });
});
