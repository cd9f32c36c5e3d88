// Models on the emulated device, through the same library, search and calls as on a GPU.
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { type CreateOptions, Dinomaly, type ScoreResult, type TrainProgress } from '../lib';
import { openWeights } from '../lib/weights';
import { rejection } from './support/error';
import { emulated, touch } from './support/deviceLibrary';
import { runScript } from './support/runScript';
import { batch, batches, disposing, picture, small, smallDataset } from './support/small';
import { temporaryFolder } from './support/temporaryFolder';

const folder = temporaryFolder();
const opened = disposing();
const cuda = { ...small, device: 'cuda', cuda: { library: emulated } } satisfies CreateOptions;
const schedule = { warmup: 2, discardWarmup: 3, seed: 4 };

beforeAll(() => {
  process.env['XDG_CACHE_HOME'] = path.join(folder, 'cache');
});

const largest = (values: Iterable<number>): number => [...values].reduce((most, value) => Math.max(most, value), 0);

/** The largest difference of maps, relative to the largest value, and of scores in absolute terms. */
function differences(found: ScoreResult[], expected: ScoreResult[]): { maps: number; scores: number } {
  const maps = found.map(({ map }, i) => {
    const other = expected[i]!.map.data;
    return largest(map.data.map((value, at) => Math.abs(value - other[at]!))) / largest(other);
  });
  return { maps: largest(maps), scores: largest(found.map(({ score }, i) => Math.abs(score - expected[i]!.score))) };
}

async function trained(options: CreateOptions, file?: string): Promise<{ losses: number[]; model: Dinomaly }> {
  const model = await opened(Dinomaly.create(options));
  const losses: number[] = [];
  const onProgress = ({ loss }: TrainProgress): unknown => losses.push(loss);
  await model.train(batches(6), { iterations: 6, ...schedule, onProgress });
  if (file) await model.save(file);
  return { losses, model };
}

test.each([
  ['f32', 1e-4, 1e-4],
  ['tf32', 5e-3, 1e-3],
  ['bf16', 3e-2, 5e-3],
] as const)('scores in %s are those of the CPU', async (precision, maps, scores) => {
  const cpu = await opened(Dinomaly.create({ ...small, device: 'cpu' }));
  const gpu = await opened(Dinomaly.create({ ...cuda, precision }));
  expect([cpu.device, gpu.device]).toEqual(['cpu', 'cuda:0']);
  const pictures = [1, 2, 3].map((seed) => picture(seed));
  const expected = await cpu.score(pictures);
  for (let call = 0; call < 3; call++) {
    // runs, is recorded, is played
    const found = differences(await gpu.score(pictures), expected);
    expect(found.maps).toBeLessThan(maps);
    expect(found.scores).toBeLessThan(scores);
  }
});

test('training is that of the CPU, dropout included, and repeats bit for bit', async () => {
  const files = [1, 2].map((run) => path.join(folder, `${run}.safetensors`));
  const cpu = await trained({ ...small, device: 'cpu' });
  const first = await trained({ ...cuda, precision: 'f32' }, files[0]);
  await trained({ ...cuda, precision: 'f32' }, files[1]);
  expect(first.losses).toHaveLength(6);
  first.losses.forEach((loss, i) => expect(Math.abs(loss / cpu.losses[i]! - 1)).toBeLessThan(1e-4));
  expect(Buffer.compare(readFileSync(files[0]!), readFileSync(files[1]!))).toBe(0);
  const pictures = [picture(1), picture(2)];
  expect(differences(await first.model.score(pictures), await cpu.model.score(pictures)).scores).toBeLessThan(1e-4);
});

test('a run on a data set goes on from its checkpoint to the same bits, and keeps what it measured', async () => {
  const at = (name: string): string => path.join(folder, name);
  const options = { ...cuda, precision: 'bf16' } as const;
  const train = { ...schedule, batchSize: 4 };
  const whole = await opened(Dinomaly.create(options));
  await whole.train(smallDataset(), { iterations: 8, ...train });
  await whole.save(at('whole'));

  const checkpoint = { path: at('checkpoint'), every: 3 };
  const stopped = new AbortController();
  const begun = await opened(Dinomaly.create(options));
  const onProgress = ({ iteration }: TrainProgress): unknown => iteration === 7 && stopped.abort();
  const run = begun.train(smallDataset(), { iterations: 8, ...train, checkpoint, signal: stopped.signal, onProgress });
  await expect(run).rejects.toThrow('aborted');
  const resumed = await opened(Dinomaly.create(options));
  await resumed.train(smallDataset(), { iterations: 8, ...train, checkpoint, resume: true });
  await resumed.save(at('resumed'));
  expect(Buffer.compare(readFileSync(at('resumed')), readFileSync(at('whole')))).toBe(0);

  expect((await openWeights(at('checkpoint'))).metadata.get('tuning')).toMatch(/\n/);
  expect(readFileSync(path.join(folder, 'cache/dinomaly-native/tuning.txt'), 'utf8')).toMatch(/\n/);
});

test('a loss that is not finite is reported, asked for or not, and the weights are those before it', async () => {
  for (const onProgress of [undefined, () => {}]) {
    const model = await opened(Dinomaly.create({ ...cuda, precision: 'bf16' }));
    const { data, shape } = batch(1);
    const broken = { data: data.map(() => NaN), shape };
    const before = await model.stateDict();
    const run = model.train([broken, broken, broken], {
      iterations: 3,
      ...schedule,
      ...(onProgress && { onProgress }),
    });
    expect((await rejection(run, 'ERR_LOSS_NOT_FINITE')).message).toMatch(/in iteration 0,/);
    expect(await model.stateDict()).toEqual(before);
  }
});

test('two models at once, and one that is disposed of in training, do not disturb each other', async () => {
  const [a, b] = await Promise.all([1, 2].map((seed) => opened(Dinomaly.create({ ...cuda, seed }))));
  const pictures = [1, 2, 3].map((seed) => picture(seed));
  const apart = [await a!.score(pictures), await b!.score(pictures)];
  const doomed = await Dinomaly.create(cuda);
  const run = doomed.train(smallDataset(), { iterations: 1000, batchSize: 4 });
  void run.catch(() => {});
  const together = await Promise.all([a!.score(pictures), b!.score(pictures)]);
  await doomed.dispose();
  await rejection(run, 'ERR_DISPOSED');
  expect(together.map((results) => results.map(({ score }) => score))).toEqual(
    apart.map((results) => results.map(({ score }) => score)),
  );
});

test('a worker thread computes what the main thread does', async () => {
  const model = await opened(Dinomaly.create({ ...cuda, deterministic: true }));
  const { score } = await model.score(picture(1));
  const program = `
    const { parentPort, workerData } = require('node:worker_threads');
    const { Dinomaly } = require(workerData.package);
    (async () => {
      const model = await Dinomaly.create(workerData.options);
      const { score } = await model.score(workerData.picture);
      await model.dispose();
      parentPort.postMessage(score);
    })();`;
  const workerData = {
    package: path.join(__dirname, '../dist/index.js'),
    options: { ...cuda, deterministic: true },
    picture: picture(1),
  };
  const worker = new Worker(program, { eval: true, workerData });
  const found = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  expect(found).toBe(score);
  await worker.terminate();
});

describe('what was measured', () => {
  const tuning = path.join(folder, 'cache/dinomaly-native/tuning.txt');
  const kept = (): string[] => readFileSync(tuning, 'utf8').split('\n').slice(1, -1).sort();

  /** Scores one picture with a model that is disposed of at once. */
  async function scoreOnce(options: CreateOptions): Promise<void> {
    const model = await Dinomaly.create({ ...cuda, ...options });
    await model.score(picture(1));
    await model.dispose();
  }

  beforeEach(() => rmSync(tuning, { force: true }));

  test('is kept when a model is disposed of, together with what others keep', async () => {
    await scoreOnce({ precision: 'bf16' });
    const first = kept();
    expect(first.length).toBeGreaterThan(0);
    rmSync(tuning);
    await scoreOnce({ precision: 'f32' });
    const second = kept();
    await scoreOnce({ precision: 'bf16' });
    expect(kept()).toEqual([...first, ...second].sort());
  });

  test('within a minute of the last time is kept too', async () => {
    await scoreOnce({});
    const ofOnePicture = kept();
    const model = await Dinomaly.create(cuda);
    await model.score(picture(1)); // kept, and the next not before a minute
    await model.infer(batch(1, 3));
    await model.dispose();
    expect(kept()).toEqual(expect.arrayContaining(ofOnePicture));
    expect(kept().length).toBeGreaterThan(ofOnePicture.length);
  });

  test('is not waited for by a dispose() that stops what runs', async () => {
    const model = await Dinomaly.create(cuda);
    const run = rejection(model.train(smallDataset(), { iterations: 100_000, batchSize: 4 }), 'ERR_DISPOSED');
    await model.dispose();
    await run;
  });

  test.each([true, false])('and is damaged is left alone: %s, as a model is deterministic', async (deterministic) => {
    touch(tuning, 'damaged');
    await scoreOnce({ deterministic });
    expect(readFileSync(tuning, 'utf8') === 'damaged').toBe(deterministic);
  });
});

test('create and dispose 200 times keeps no memory', async () => {
  const run = { flags: ['--expose-gc'], args: [emulated] };
  const { early, late } = (await runScript('createAndDispose.mjs', run)) as Record<string, number>;
  expect(late! - early!).toBeLessThan(0.1 * early!);
});
