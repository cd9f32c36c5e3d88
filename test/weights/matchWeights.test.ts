import path from 'node:path';
import { inferNetwork, matchWeights, openWeights } from '../../lib/weights';
import type { ExpectedTensor, WeightsFile } from '../../lib/weights';
import { DinomalyError } from '../../lib/errors';
import { temporaryFolder } from '../support/temporaryFolder';
import { type RawTensor, writeSafetensors } from '../support/writeSafetensors';

const golden = path.join(__dirname, '../golden/formats');
const folder = temporaryFolder();

const open = (name: string) => openWeights(path.join(golden, name));

async function expectedOf(part: RegExp): Promise<ExpectedTensor[]> {
  return [...(await open('model.pth')).tensors]
    .filter(([name]) => part.test(name) && !/^encoder\.(mask_token|norm\.)/.test(name))
    .map(([name, { shape }]) => ({ name, shape }));
}

function mismatch(weights: WeightsFile, expected: ExpectedTensor[]): string {
  try {
    matchWeights(weights, expected);
  } catch (error) {
    expect(error).toBeInstanceOf(DinomalyError);
    expect((error as DinomalyError).code).toBe('ERR_WEIGHTS_MISMATCH');
    return (error as DinomalyError).message;
  }
  throw new Error('the file fits');
}

async function written(tensors: [string, RawTensor][]): Promise<WeightsFile> {
  const file = path.join(folder, 'file.safetensors');
  writeSafetensors(file, new Map(tensors));
  return openWeights(file);
}

const raw = (shape: number[], dtype = 'F16', size = 2): RawTensor => ({
  dtype,
  shape,
  bytes: Buffer.alloc(size * shape.reduce((a, b) => a * b, 1)),
});

test('Hugging Face keeps q, k and v apart: three parts in this order', async () => {
  const weights = await open('hf.safetensors');
  const [source] = matchWeights(weights, await expectedOf(/^encoder\./)).filter(
    ({ name }) => name === 'encoder.blocks.1.attn.qkv.weight',
  );
  const offsets = ['query', 'key', 'value'].map(
    (part) => weights.tensors.get(`encoder.layer.1.attention.attention.${part}.weight`)?.offset,
  );
  expect(source?.shape).toEqual([192, 64]);
  expect(source?.parts.map(({ offset }) => offset)).toEqual(offsets);
});

test.each(['dinov2.', 'dinov2_with_registers.'])("Hugging Face's names under %s are found", async (prefix) => {
  const weights = await open('hf.safetensors');
  const prefixed = new Map([...weights.tensors].map(([name, tensor]) => [prefix + name, tensor]));
  const expected = await expectedOf(/^encoder\./);
  expect(matchWeights({ ...weights, tensors: prefixed }, expected)).toEqual(matchWeights(weights, expected));
});

test("an encoder's file has no bottleneck and no decoder", async () => {
  const message = mismatch(await open('release.safetensors'), await expectedOf(/./));
  expect(message).toMatch('missing: "bottleneck.0.fc1.weight"');
  expect(message).toMatch('give it to Dinomaly.create as weights');
});

test('everything that does not fit is named, each in its own way', async () => {
  const expected = await expectedOf(/^encoder\./);
  const weights = await open('release.safetensors');
  weights.tensors.delete('cls_token');
  weights.tensors.set('head.weight', weights.tensors.get('norm.weight')!);
  weights.tensors.get('blocks.0.mlp.fc1.bias')!.shape = [128];
  const message = mismatch(weights, expected);
  expect(message).toMatch('missing: "cls_token"');
  expect(message).toMatch('shape of "blocks.0.mlp.fc1.bias": [256] expected, found [128]');
  expect(message).toMatch('surplus: "head.weight"');
  expect(message).not.toMatch('norm.weight');
});

test('a missing third of qkv is named as the file names it', async () => {
  const weights = await open('hf.safetensors');
  weights.tensors.delete('encoder.layer.0.attention.attention.key.bias');
  const message = mismatch(weights, await expectedOf(/^encoder\./));
  expect(message).toMatch('missing: "encoder.layer.0.attention.attention.key.bias"');
  expect(message).not.toMatch('query');
});

test('SwiGLU of the giant encoder is named as surplus', async () => {
  const weights = await open('hf.safetensors');
  weights.tensors.set('encoder.layer.0.mlp.weights_in.weight', weights.tensors.get('layernorm.weight')!);
  expect(mismatch(weights, await expectedOf(/^encoder\./))).toMatch('surplus: "encoder.layer.0.mlp.weights_in.weight"');
});

test('a long list is cut', async () => {
  const message = mismatch(await written([['cls_token', raw([1, 1, 64])]]), await expectedOf(/^encoder\./));
  expect(message.match(/missing: /g)).toHaveLength(10);
  expect(message).toMatch('; and 22 more.');
});

test('registers without a network for them, and the reverse, are said in words', async () => {
  const expected = await expectedOf(/^encoder\./);
  const without = expected.filter(({ name }) => name !== 'encoder.register_tokens');
  const surplus = mismatch(await open('release.pth'), without);
  expect(surplus).toMatch('surplus: "register_tokens"');
  expect(surplus).toMatch('The network has 0 registers, the file 2');
  const missing = mismatch(await open('no_registers.safetensors'), expected);
  expect(missing).toMatch('missing: "register_tokens"');
  expect(missing).toMatch('The network has 2 registers, the file 0');
});

test.each([
  ['F64', 8],
  ['I32', 4],
])('%s is listed, and an error when wanted', async (dtype, size) => {
  const weights = await written([['bottleneck.0.fc1.bias', raw([4], dtype, size)]]);
  expect(weights.tensors.size).toBe(1);
  const message = mismatch(weights, [{ name: 'bottleneck.0.fc1.bias', shape: [4] }]);
  expect(message).toMatch(`dtype of "bottleneck.0.fc1.bias": F32, F16 or BF16 expected, found ${dtype}`);
});

test('optimiser state is left aside unless it is wanted', async () => {
  const name = 'decoder.0.norm1.bias';
  const state = `optimizer.exp_avg.${name}`;
  const weights = await written([
    [name, raw([4])],
    [state, raw([4])],
  ]);
  const parameter = { name, shape: [4] };
  expect(matchWeights(weights, [parameter])).toHaveLength(1);
  expect(matchWeights(weights, [parameter, { name: state, shape: [4] }])).toHaveLength(2);
  expect(mismatch(weights, [parameter, { name: `optimizer.exp_avg_sq.${name}`, shape: [4] }])).toMatch(
    `surplus: "${state}"`,
  );
});

test('a name outside the network is surplus in a whole model too', async () => {
  const weights = await written([
    ['bottleneck.0.fc1.bias', raw([4])],
    ['head.bias', raw([4])],
  ]);
  expect(mismatch(weights, [{ name: 'bottleneck.0.fc1.bias', shape: [4] }])).toMatch('surplus: "head.bias"');
});

test('24 layers have the targets of the large encoder', async () => {
  const block = (i: number): [string, RawTensor] => [`blocks.${i}.mlp.fc1.weight`, raw([16, 4])];
  const weights = await written([
    ['cls_token', raw([1, 1, 4])],
    ['pos_embed', raw([1, 10, 4])],
    ['patch_embed.proj.weight', raw([4, 3, 14, 14])],
    ...Array.from({ length: 24 }, (_, i) => block(i)),
  ]);
  expect(inferNetwork(weights)).toMatchObject({ depth: 24, layerScale: false, targets: [4, 6, 8, 10, 12, 14, 16, 18] });
});

test.each<[string, [string, RawTensor][], string]>([
  ['another network', [['conv1.weight', raw([64, 3, 7, 7])]], '"cls_token" with 3 axes expected, found none'],
  ['a token of other rank', [['cls_token', raw([64])]], '"cls_token" with 3 axes expected, found [64]'],
  ['no channels', [['cls_token', raw([1, 1, 0])]], '"cls_token" with 3 axes expected, found [1, 1, 0]'],
  ['a large claim without its matrices', [['cls_token', raw([1, 1, 100_000])]], 'no blocks of 100000 channels'],
])('%s tells no network', async (_, tensors, message) => {
  const weights = await written(tensors);
  expect(() => inferNetwork(weights)).toThrow(message);
  expect(() => inferNetwork(weights)).toThrow(DinomalyError);
});
