import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { addon, type NativeModel } from '../../lib/addon';
import { readSafetensors } from '../support/safetensors';
import { temporaryFolder } from '../support/temporaryFolder';
import { config, errorOf, openModel, picture, side, slowConfig, slowSide, stepOptions, token } from './support';

const folder = temporaryFolder();
const models: NativeModel[] = [];
afterEach(async () => {
  await Promise.all(models.splice(0).map((model) => model.dispose()));
});

async function opened(of = config): Promise<NativeModel> {
  const model = await openModel(of);
  models.push(model);
  return model;
}

test('parameters have the released names, in order', async () => {
  const parameters = (await opened()).parameters();
  expect(parameters[0]).toEqual({ name: 'encoder.cls_token', shape: [1, 1, 32], trainable: false });
  expect(parameters).toContainEqual({ name: 'bottleneck.0.fc1.weight', shape: [128, 32], trainable: true });
  expect(parameters.at(-1)).toEqual({ name: 'decoder.1.mlp.fc2.bias', shape: [32], trainable: true });
});

test('results have their shapes', async () => {
  const model = await opened();
  const { encoder, decoder, maps, scores } = await model.infer(
    new Float32Array(2 * 3 * 28 * 42),
    [2, 3, 28, 42],
    token(),
  );
  for (const group of [...encoder, ...decoder]) {
    expect(group.shape).toEqual([2, 6, 32]);
    expect(group.data).toHaveLength(2 * 6 * 32);
  }
  expect([encoder.length, decoder.length]).toEqual([2, 2]);
  expect(maps.shape).toEqual([2, 256, 256]);
  expect(maps.data).toHaveLength(2 * 65536);
  expect(scores).toHaveLength(2);
  const state = await model.stateDict();
  expect(Object.entries(state).map(([name, { shape }]) => ({ name, shape }))).toEqual(
    model.parameters().map(({ name, shape }) => ({ name, shape })),
  );
});

test('jobs finish in the order of their calls', async () => {
  const model = await opened();
  const order: number[] = [];
  const jobs = [
    model.initialise('all', 2),
    model.score(picture(0), side, token()),
    model.infer(new Float32Array(3 * side * side), [1, 3, side, side], token()),
    model.score(picture(1), side, token()),
    model.stateDict(),
    model.score(picture(2), side, token()),
  ].map((job, i) => job.then(() => order.push(i)));
  await Promise.all(jobs);
  expect(order).toEqual([0, 1, 2, 3, 4, 5]);
});

test('many scores at once are the scores of each', async () => {
  const model = await opened();
  const pictures = Array.from({ length: 20 }, (_, i) => picture(i));
  const together = await Promise.all(pictures.map((pixels) => model.score(pixels, side, token())));
  for (const [i, pixels] of pictures.entries()) {
    const alone = await model.score(pixels, side, token());
    expect(together[i]!.score).toBe(alone.score);
    expect(together[i]!.map).toEqual(alone.map);
  }
});

test('inputs are copied before the call returns', async () => {
  const model = await opened();
  const pixels = picture(3);
  const data = Float32Array.from({ length: 3 * side * side }, (_, i) => Math.sin(i));
  const expected = await model.score(pixels, side, token());
  const inferred = await model.infer(data, [1, 3, side, side], token());
  const changed = [model.score(pixels, side, token()), model.infer(data, [1, 3, side, side], token())] as const;
  pixels.fill(0);
  data.fill(0);
  expect((await changed[0]).map).toEqual(expected.map);
  expect((await changed[1]).maps.data).toEqual(inferred.maps.data);
});

test('a cancelled job rejects and leaves the others alone', async () => {
  const model = await opened();
  const before = model.infer(new Float32Array(100 * 3 * side * side), [100, 3, side, side], token()); // so they wait
  const cancel = token();
  const jobs = [0, 1, 2, 3].map((i) => model.score(picture(i), side, i === 2 ? cancel : token()));
  cancel.cancel();
  const results = await Promise.allSettled(jobs);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
  expect(results[2]).toMatchObject({ reason: { code: 'ERR_CANCELLED' } });
  expect((await before).scores).toHaveLength(100);
});

test('a running step is cancelled between two operations', async () => {
  const model = await opened(slowConfig);
  await model.beginTraining({ side: slowSide, batchSize: 2, cacheBytes: 0 });
  const pixels = picture(0, slowSide);
  const pictures = Array.from({ length: 64 }, (_, id) => ({ id, pixels }));
  const cancel = token();
  const step = model.trainStep({ pictures }, stepOptions, cancel);
  setTimeout(() => cancel.cancel(), 100);
  const started = performance.now();
  expect((await errorOf(() => step)).code).toBe('ERR_CANCELLED');
  expect(performance.now() - started).toBeLessThan(2000);
  expect((await model.score(picture(0), side, token())).map).toHaveLength(65536);
});

test('training keeps features, trains, and saves what it trained', async () => {
  const model = await opened();
  await model.beginTraining({ side, batchSize: 2, cacheBytes: 1e7 });
  const pictures = [0, 1, 2].map((id) => ({ id, pixels: picture(id) }));
  expect(model.hasFeatures(1)).toBe(false);
  const first = (await model.trainStep({ pictures }, { ...stepOptions, iteration: 0 }, token()))!;
  expect(first.learningRate).toBe(0);
  expect(model.hasFeatures(1)).toBe(true);
  const kept = { pictures: [{ id: 0 }, { id: 1 }, { id: 2 }] };
  for (let iteration = 1; iteration < 9; iteration++) {
    expect(await model.trainStep(kept, { ...stepOptions, iteration, report: false }, token())).toBeUndefined();
  }
  const last = (await model.trainStep(kept, { ...stepOptions, iteration: 9 }, token()))!;
  expect(last.loss).toBeLessThan(first.loss);
  const tensor = { data: new Float32Array(3 * side * side).fill(0.5), shape: [1, 3, side, side] };
  expect((await model.trainStep(tensor, stepOptions, token()))?.gradientNorm).toBeGreaterThan(0);

  await model.observe({ pictures: [{ id: 0 }, { id: 1 }] }, token());
  expect(await model.heatmapMax()).toBeGreaterThan(0);
  const file = path.join(folder, 'model.safetensors');
  await model.save(file, { quote: '"\n' }, true);
  const written = readSafetensors(file);
  for (const [name, { data }] of Object.entries(await model.stateDict())) expect(written.get(name)?.data).toEqual(data);
  expect(written.get('optimizer.exp_avg.bottleneck.0.fc1.weight')?.shape).toEqual([128, 32]);
  await model.endTraining();
  expect(model.hasFeatures(0)).toBe(false);
});

test('a loss that is not finite rejects and leaves the weights', async () => {
  const model = await opened();
  await model.beginTraining({ side, batchSize: 2, cacheBytes: 0 });
  const before = await model.stateDict();
  const tensor = { data: new Float32Array(3 * side * side).fill(NaN), shape: [1, 3, side, side] };
  expect((await errorOf(() => model.trainStep(tensor, stepOptions, token()))).code).toBe('ERR_LOSS_NOT_FINITE');
  expect(await model.stateDict()).toEqual(before);
});

test('what a step did not report, whoever needs the weights does', async () => {
  const model = await opened();
  await model.beginTraining({ side, batchSize: 2, cacheBytes: 0 });
  const before = await model.stateDict();
  const tensor = { data: new Float32Array(3 * side * side).fill(NaN), shape: [1, 3, side, side] };
  expect(await model.trainStep(tensor, { ...stepOptions, report: false }, token())).toBeUndefined();
  const file = path.join(folder, 'failed.safetensors');
  const error = await errorOf(() => model.save(file, {}, true));
  expect(error.code).toBe('ERR_LOSS_NOT_FINITE');
  expect(error.message).toMatch(/in iteration 1,/);
  expect(existsSync(file)).toBe(false);
  expect(await model.stateDict()).toEqual(before);
});

test('a save that fails names the file and leaves nothing', async () => {
  const model = await opened();
  const file = path.join(folder, 'missing', 'model.safetensors');
  const error = await errorOf(() => model.save(file, {}, false));
  expect(error.code).toBe('ERR_IO');
  expect(error.message).toMatch(/missing\/model\.safetensors'.*No such file or directory/);
  expect((await errorOf(() => model.save(folder, {}, false))).code).toBe('ERR_IO');
  expect(existsSync(file)).toBe(false);
  expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});

test('a file that is not there, and one that ends too early, are errors', async () => {
  const model = await opened();
  const source = (file: string, offset: number) => [
    {
      name: 'bottleneck.0.fc1.bias',
      shape: [128],
      parts: [{ path: file, offset, byteLength: 512, dtype: 'F32' as const }],
    },
  ];
  expect((await errorOf(() => model.load(source('/nowhere', 0)))).code).toBe('ERR_FILE_NOT_FOUND');
  expect((await errorOf(() => model.load(source(__filename, 1e6)))).code).toBe('ERR_FILE_FORMAT');
});

test('dispose cancels what runs, rejects what waits, and twice is once', async () => {
  const model = await openModel(slowConfig);
  const many = new Float32Array(32 * 3 * slowSide * slowSide);
  const running = errorOf(() => model.infer(many, [32, 3, slowSide, slowSide], token()));
  const waiting = errorOf(() => model.score(picture(0), side, token()));
  await new Promise((resolve) => setTimeout(resolve, 50));
  const started = performance.now();
  const disposal = model.dispose();
  expect(model.dispose()).toBe(disposal);
  const order: string[] = [];
  await Promise.all([
    running.then((error) => order.push(`running ${error.code}`)),
    waiting.then((error) => order.push(`waiting ${error.code}`)),
    disposal.then(() => order.push('disposed')),
  ]);
  expect(order).toEqual(['running ERR_DISPOSED', 'waiting ERR_DISPOSED', 'disposed']);
  expect(performance.now() - started).toBeLessThan(2000);
  await model.dispose();
});

test('after dispose every method says so', async () => {
  const model = await openModel();
  await model.dispose();
  const calls: (() => unknown)[] = [
    () => model.load([]),
    () => model.initialise('all', 1),
    () => model.parameters(),
    () => model.infer(new Float32Array(3 * side * side), [1, 3, side, side], token()),
    () => model.score(picture(0), side, token()),
    () => model.beginTraining({ side, batchSize: 2, cacheBytes: 0 }),
    () => model.endTraining(),
    () => model.hasFeatures(0),
    () => model.readFeatures(0),
    () => model.trainStep({ pictures: [{ id: 0 }] }, stepOptions, token()),
    () => model.observe({ pictures: [{ id: 0 }] }, token()),
    () => model.heatmapMax(),
    () => model.save(path.join(folder, 'x'), {}, false),
    () => model.stateDict(),
  ];
  for (const call of calls) expect((await errorOf(call)).code).toBe('ERR_DISPOSED');
});

test('two models work side by side', async () => {
  const [a, b] = await Promise.all([opened(), opened()]);
  const [left, right] = await Promise.all([a, b].map((model) => model.score(picture(1), side, token())));
  expect(left!.map).toEqual(right!.map);
});

test('another number of threads gives the same bits', async () => {
  const [one, two] = await Promise.all([opened({ ...config, threads: 1 }), opened({ ...config, threads: 2 })]);
  const [left, right] = await Promise.all([one, two].map((model) => model.score(picture(1), side, token())));
  expect(left!.map).toEqual(right!.map);
});

test('info says what there is', () => {
  const { isa, threads, oneDNN, gpus } = addon().info();
  expect(isa).toMatch(/^(avx512|avx2|x86-64)$/);
  expect(threads).toBeGreaterThan(0);
  expect(oneDNN).toMatch(/^\d+\.\d+\.\d+$/);
  expect(Array.isArray(gpus)).toBe(true);
});
