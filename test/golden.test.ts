import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Dinomaly, type LoadOptions, type Metrics, metrics, type Tensor } from '../lib';
import { rejection } from './support/error';
import { readSafetensors } from './support/safetensors';
import { disposing } from './support/small';
import { temporaryFolder } from './support/temporaryFolder';
import { writeTinyEncoder } from './support/tinyEncoder';

const golden = path.join(__dirname, 'golden');
const folder = temporaryFolder();
const opened = disposing();

/** Largest difference, relative to the largest expected value. */
function difference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(found.length).toBe(expected.length);
  let largest = 0;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]!));
    worst = Math.max(worst, Math.abs(found[i]! - expected[i]!));
  }
  expect(largest).toBeGreaterThan(0);
  return worst / largest;
}

function expectWithin(found: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(difference(found, expected)).toBeLessThanOrEqual(tolerance);
}

function bytesOf({ data }: Tensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function get(tensors: Map<string, Tensor>, name: string): Tensor {
  const tensor = tensors.get(name);
  if (!tensor) throw new Error(`no golden tensor ${name}`);
  return tensor;
}

const tinyShape: NonNullable<LoadOptions['encoder']> = { heads: 2, targets: [1, 2, 3, 4] };
const tinyGroups = [
  [0, 1],
  [2, 3],
];

function tiny(options: LoadOptions = {}): Promise<Dinomaly> {
  const defaults = { encoder: tinyShape, groups: tinyGroups, image: { resize: 64, crop: 56 } };
  return opened(Dinomaly.load(path.join(golden, 'tiny/dinomaly.pth'), { ...defaults, ...options }));
}

describe('the tiny network', () => {
  const expected = readSafetensors(path.join(golden, 'tiny/expected.safetensors'));

  test('is told by its file, heads and targets apart', async () => {
    const { config } = await tiny();
    expect(config).toMatchObject({
      encoder: { dim: 128, heads: 2, depth: 6, patch: 14, grid: 5, registers: 4, layerScale: true },
      decoderDepth: 4,
      trained: true,
      heatmapMax: 0.5,
    });
  });

  test.each([56, 70, 84])('gives the oracle numbers at %i pixels', async (side) => {
    const model = await tiny();
    const { encoder, decoder, maps, scores } = await model.infer(get(expected, `${side}.input`));
    expect(encoder).toHaveLength(2);
    expect(decoder).toHaveLength(2);
    for (const group of [0, 1]) {
      for (const [name, tensors] of Object.entries({ encoder, decoder })) {
        const { data, shape } = get(expected, `${side}.${name}.${group}`);
        expect(tensors[group]!.shape).toEqual(shape);
        expectWithin(tensors[group]!.data, data, 1e-4);
      }
    }
    expect(maps.shape).toEqual([2, 256, 256]);
    expectWithin(maps.data, get(expected, `${side}.maps`).data, 1e-3);
    expectWithin(scores, get(expected, `${side}.scores`).data, 1e-4);
  });

  test('has the same encoder from a file of its own', async () => {
    const file = await writeTinyEncoder(folder);
    const shape = { dim: 128, heads: 2, depth: 6, grid: 5, registers: 4, targets: [1, 2, 3, 4] };
    const model = await opened(Dinomaly.create({ encoder: shape, weights: file }));
    const { encoder } = await model.infer(get(expected, '56.input'));
    for (const group of [0, 1]) expectWithin(encoder[group]!.data, get(expected, `56.encoder.${group}`).data, 1e-4);
    const [own, whole] = [await model.stateDict(), await (await tiny()).stateDict()];
    for (const name of Object.keys(own).filter((key) => key.startsWith('encoder.'))) {
      expect(Buffer.compare(bytesOf(own[name]!), bytesOf(whole[name]!))).toBe(0);
    }
  });
});

interface Sample {
  shape: number[];
  norm: number;
  indices: number[];
  values: number[];
}

interface Run {
  config: { groups?: number[][] };
  schedule: { total: number; lr_warmup: number; discard_warmup: number; clip_norm: number };
  steps: { loss: number; gradient_norm: number; learning_rate: number }[];
  parameters_after: Record<string, Sample>;
}

const runs = (
  JSON.parse(readFileSync(path.join(golden, 'tiny/training.json'), 'utf8')) as { training: Record<string, Run> }
).training;

test('both golden training runs are there', () => {
  expect(Object.keys(runs)).toEqual(['default', 'one_group']);
});

test.each(Object.entries(runs))('training as in %s gives the oracle losses and parameters', async (_, run) => {
  const model = await tiny({ dropout: 0, groups: run.config.groups ?? tinyGroups });
  const { data } = get(readSafetensors(path.join(golden, 'tiny/training_batches.safetensors')), 'batches');
  const size = 4 * 3 * 56 * 56;
  const batches = run.steps.map((_, i) => ({ data: data.slice(i * size, (i + 1) * size), shape: [4, 3, 56, 56] }));
  const steps: { loss: number; gradientNorm: number; learningRate: number }[] = [];
  await model.train(batches, {
    iterations: run.schedule.total,
    warmup: run.schedule.lr_warmup,
    discardWarmup: run.schedule.discard_warmup,
    clipNorm: run.schedule.clip_norm,
    onProgress: (progress) => steps.push(progress),
  });
  expect(steps).toHaveLength(run.steps.length);
  run.steps.forEach((step, i) => {
    expect(Math.abs(steps[i]!.loss - step.loss)).toBeLessThanOrEqual(1e-4);
    expect(Math.abs(steps[i]!.gradientNorm - step.gradient_norm)).toBeLessThanOrEqual(1e-3 * step.gradient_norm);
    expect(steps[i]!.learningRate).toBeCloseTo(step.learning_rate, 9);
  });
  const state = await model.stateDict();
  for (const [name, { shape, indices, values }] of Object.entries(run.parameters_after)) {
    const tensor = state[name]!;
    expect(tensor.shape).toEqual(shape);
    const largest = tensor.data.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    indices.forEach((index, i) => {
      expect(Math.abs(tensor.data[index]! - values[i]!)).toBeLessThanOrEqual(1e-3 * largest);
    });
  }
});

test('the encoder in this package gives the oracle features of a demo picture', async () => {
  const expected = readSafetensors(path.join(golden, 'real/expected.safetensors'));
  const model = await opened(Dinomaly.create());
  const { encoder } = await model.infer(get(expected, '224.input'));
  for (const group of [0, 1]) expectWithin(encoder[group]!.data, get(expected, `224.encoder.${group}`).data, 1e-4);
});

describe('metrics', () => {
  const cases = JSON.parse(readFileSync(path.join(golden, 'metrics/expected.json'), 'utf8')) as Record<string, Metrics>;

  test.each(Object.entries(cases))('of %s are those of scikit-learn and scikit-image', async (name, expected) => {
    const tensors = readSafetensors(path.join(golden, `metrics/${name}.safetensors`));
    const [labels, scores] = [get(tensors, 'labels').data, get(tensors, 'scores').data];
    const [masks, maps] = [get(tensors, 'masks').data, get(tensors, 'maps').data];
    const [, height, width] = get(tensors, 'maps').shape;
    const ranking = async (values: Float32Array, by: Float32Array): Promise<number[]> => [
      await metrics.auroc(values, by),
      await metrics.averagePrecision(values, by),
      await metrics.f1Max(values, by),
    ];
    const { image, pixel } = expected;
    const aupro = await metrics.aupro(masks, maps, { width: width!, height: height! });
    const found = [...(await ranking(labels, scores)), ...(await ranking(masks, maps)), aupro];
    const wanted = [image.auroc, image.ap, image.f1Max, pixel.auroc, pixel.ap, pixel.f1Max, pixel.aupro];
    found.forEach((value, i) => expect(Math.abs(value - wanted[i]!)).toBeLessThanOrEqual(1e-6));
    const together = {
      image: await metrics.image(labels, scores),
      pixel: await metrics.pixel(masks, maps, { width: width!, height: height! }),
    };
    expect([...Object.values(together.image), ...Object.values(together.pixel)]).toEqual(found);
  });

  test('go on with their own copy when the arrays are transferred away meanwhile', async () => {
    const labels = Uint8Array.from({ length: 1 << 20 }, (_, i) => i % 2);
    const scores = Float32Array.from(labels);
    const result = metrics.auroc(labels, scores);
    structuredClone([labels, scores], { transfer: [labels.buffer, scores.buffer] });
    expect(scores.length).toBe(0);
    expect(await result).toBe(1);
  });

  test('take lists per picture, booleans and plain numbers', async () => {
    expect(await metrics.auroc([false, true, true], [0.1, 0.7, 0.5])).toBe(1);
    expect(await metrics.auroc([[0], [1, 1]], [[0.6], [0.7, 0.5]])).toBe(0.5);
    expect(await metrics.auroc([0.5, 0, 256], [[0.6], new Float32Array(1), [0.7]])).toBe(1);
    expect(await metrics.auroc([0, 0], [1, 2])).toBeNaN();
    const masks = [Uint8Array.of(0, 0, 0, 255), Uint8Array.of(0, 0, 0, 0)];
    const maps = [Float32Array.of(0, 0, 0, 1), Float32Array.of(0, 0, 0.5, 0)];
    expect(await metrics.aupro(masks, maps, { width: 2, height: 2 })).toBeCloseTo(1);
    expect(await metrics.aupro(masks[1]!, maps[1]!, { width: 2, height: 2 })).toBeNaN();
  });

  test('name what does not fit', async () => {
    const lengths = await rejection(metrics.auroc([0, 1], [1]), 'ERR_INVALID_ARGUMENT');
    expect(lengths.message).toMatch(/labels and scores: .*found 2 and 1/);
    const size = metrics.aupro([0, 1], [0, 1], { width: 3, height: 1 });
    expect((await rejection(size, 'ERR_INVALID_ARGUMENT')).message).toMatch(/3 x 1 values, found 2/);
    await rejection(metrics.f1Max([0, 1], [0, NaN]), 'ERR_INVALID_ARGUMENT');
    await rejection(metrics.image([0, 1], [0, NaN]), 'ERR_INVALID_ARGUMENT');
    await rejection(metrics.pixel([0, 1], [0, 1], { width: 0, height: 1 }), 'ERR_INVALID_ARGUMENT');
    const nothing = await rejection(metrics.auroc(undefined as never, [1]), 'ERR_INVALID_ARGUMENT');
    expect(nothing.message).toMatch(/labels: expected an array of numbers.*found undefined/);
    const hole = metrics.averagePrecision([0, 1], [[0], undefined] as never);
    expect((await rejection(hole, 'ERR_INVALID_ARGUMENT')).message).toMatch(/scores: .*found undefined/);
    const sizeless = metrics.aupro([0, 1], [0, 1], undefined as never);
    expect((await rejection(sizeless, 'ERR_INVALID_ARGUMENT')).message).toMatch(/size: expected .*width, height/);
  });
});
