import { readFileSync } from 'node:fs';
import path from 'node:path';
import { inferNetwork, matchWeights, openWeights } from '../../lib/weights';
import { readSafetensors, type Tensor, toFloat32 } from '../support/safetensors';
import { temporaryFolder } from '../support/temporaryFolder';
import { writeTinyEncoder } from '../support/tinyEncoder';

const formats = path.join(__dirname, '../golden/formats');
const tiny = path.join(__dirname, '../golden/tiny/dinomaly.pth');
const folder = temporaryFolder();

/** The encoder that all files hold, read by the tests' own reader. */
const reference = readSafetensors(path.join(formats, 'release.f32.safetensors'));
const ignored = ['mask_token', 'norm.weight', 'norm.bias'];
const encoder = [...reference].filter(([name]) => !ignored.includes(name));
const expected = encoder.map(([name, { shape }]) => ({ name: `encoder.${name}`, shape }));

/** The numbers of every source, as the native side reads them. */
async function numbers(file: string, wanted = expected): Promise<Map<string, Tensor>> {
  const sources = matchWeights(await openWeights(file), wanted);
  const bytes = readFileSync(file);
  return new Map(
    sources.map(({ name, shape, parts }) => {
      const values = parts.map(({ offset, byteLength, dtype }) =>
        Buffer.from(toFloat32(bytes.subarray(offset, offset + byteLength), dtype).buffer),
      );
      return [name, { shape, data: new Float32Array(new Uint8Array(Buffer.concat(values)).buffer) }];
    }),
  );
}

function expectBits(found: Tensor | undefined, { shape, data }: Tensor): void {
  expect(found?.shape).toEqual(shape);
  expect(Buffer.from(found!.data.buffer).equals(Buffer.from(data.buffer))).toBe(true);
}

function roundToBfloat16(data: Float32Array): Float32Array {
  const bits = new Uint32Array(data.slice().buffer);
  // To the nearest, ties to even.
  return new Float32Array(bits.map((x) => (x + 0x7fff + ((x >>> 16) & 1)) & 0xffff0000).buffer);
}

test.each(['release.safetensors', 'release.f32.safetensors', 'release.pth', 'hf.safetensors', 'model.pth'])(
  '%s gives the encoder, bit for bit',
  async (name) => {
    const found = await numbers(path.join(formats, name));
    expect([...found.keys()]).toEqual(expected.map((tensor) => tensor.name));
    for (const [tensor, { shape, data }] of encoder) expectBits(found.get(`encoder.${tensor}`), { shape, data });
  },
);

test('release.bf16.safetensors gives those numbers rounded to bfloat16', async () => {
  const found = await numbers(path.join(formats, 'release.bf16.safetensors'));
  for (const [name, { shape, data }] of encoder) {
    expectBits(found.get(`encoder.${name}`), { shape, data: roundToBfloat16(data) });
  }
});

test('no_registers.safetensors gives the encoder without register_tokens', async () => {
  const file = path.join(formats, 'no_registers.safetensors');
  const found = await numbers(
    file,
    expected.filter(({ name }) => name !== 'encoder.register_tokens'),
  );
  expect(found.size).toBe(encoder.length - 1);
  for (const [name, tensor] of found) expectBits(tensor, reference.get(name.slice('encoder.'.length))!);
});

test('model.pth gives bottleneck and decoder too', async () => {
  const file = path.join(formats, 'model.pth');
  const trainable = [...(await openWeights(file)).tensors]
    .filter(([name]) => /^(bottleneck|decoder)\./.test(name))
    .map(([name, { shape }]) => ({ name, shape }));
  expect(trainable).toHaveLength(4 + 2 * 12);
  const found = await numbers(file, [...expected, ...trainable]);
  expect(found.size).toBe(expected.length + trainable.length);
  expect(found.get('bottleneck.0.fc1.weight')?.shape).toEqual([256, 64]);
});

test("tiny's encoder file holds the numbers of its whole model", async () => {
  const file = await writeTinyEncoder(folder);
  const written = readSafetensors(file);
  const wanted = [...written].map(([name, { shape }]) => ({ name: `encoder.${name}`, shape }));
  expect(wanted).toHaveLength(5 + 14 * 6);
  const found = await numbers(tiny, wanted);
  for (const [name, tensor] of written) expectBits(found.get(`encoder.${name}`), tensor);
});

test.each([
  ['formats/hf.safetensors', { dim: 64, heads: 1, depth: 2, grid: 3, registers: 2, decoderDepth: 0 }],
  ['formats/release.pth', { dim: 64, heads: 1, depth: 2, grid: 3, registers: 2, decoderDepth: 0 }],
  ['formats/no_registers.safetensors', { dim: 64, heads: 1, depth: 2, grid: 3, registers: 0, decoderDepth: 0 }],
  ['formats/model.pth', { dim: 64, heads: 1, depth: 2, grid: 3, registers: 2, decoderDepth: 2 }],
  ['tiny/dinomaly.pth', { dim: 128, heads: 2, depth: 6, grid: 5, registers: 4, decoderDepth: 4 }],
  [
    '../../models/dinov2_vits14.safetensors',
    { dim: 384, heads: 6, depth: 12, grid: 37, registers: 0, decoderDepth: 0 },
  ],
])('%s tells its network', async (name, network) => {
  const file = await openWeights(path.join(__dirname, '../golden', name));
  expect(inferNetwork(file)).toEqual({ ...network, patch: 14, layerScale: true, targets: [2, 3, 4, 5, 6, 7, 8, 9] });
});
