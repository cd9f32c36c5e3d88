import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Dinomaly, type FeatureCacheOptions, type Tensor, type TrainOptions, type TrainProgress } from '../lib';
import { rejection } from './support/error';
import { batch, batches, disposing, picture, small, smallDataset, writePicture } from './support/small';
import { temporaryFolder } from './support/temporaryFolder';

const folder = temporaryFolder();
const opened = disposing();
const schedule = { batchSize: 4, warmup: 3, discardWarmup: 10, learningRate: 2e-3 } satisfies TrainOptions;

let files = 0;
async function bytesOf(model: Dinomaly): Promise<Buffer> {
  const file = path.join(folder, `${files++}.safetensors`);
  await model.save(file);
  return readFileSync(file);
}

async function trained(options: TrainOptions, create: object = {}): Promise<Dinomaly> {
  const model = await opened(Dinomaly.create({ ...small, ...create }));
  await model.train(smallDataset(), { ...schedule, ...options });
  return model;
}

describe('a data set', () => {
  test('trains: progress comes once per iteration, in order, and the loss falls', async () => {
    const progress: TrainProgress[] = [];
    const model = await trained({ iterations: 30, onProgress: (p) => progress.push(p) });
    expect(progress.map(({ iteration }) => iteration)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
    for (const { iterations, gradientNorm, imagesPerSecond, secondsLeft } of progress) {
      expect(iterations).toBe(30);
      expect(gradientNorm).toBeGreaterThan(0);
      expect(imagesPerSecond).toBeGreaterThan(0);
      expect(secondsLeft).toBeGreaterThanOrEqual(0);
    }
    expect(progress[0]!.learningRate).toBe(0);
    expect(progress[3]!.learningRate).toBeCloseTo(2e-3);
    expect(progress.at(-1)!.secondsLeft).toBe(0);
    expect(progress.at(-1)!.loss).toBeLessThan(0.9 * progress[0]!.loss);
    expect(model.config.trained).toBe(true);
  });

  test('gives heatmapMax: twice the 99.9th percentile over its maps', async () => {
    const model = await trained({ iterations: 5 });
    const results = await model.score(smallDataset().train.map(({ image }) => image));
    const values = results.flatMap(({ map }) => [...map.data]).sort((a, b) => a - b);
    const at = 0.999 * (values.length - 1);
    const [below, above] = [values[Math.floor(at)]!, values[Math.ceil(at)]!];
    expect(model.config.heatmapMax).toBeCloseTo(2 * (below + (above - below) * (at % 1)), 6);
  });

  test('gives the same bytes for the same seed and with another number of threads, others for another seed', async () => {
    const options = { iterations: 6, seed: 5 };
    const first = await bytesOf(await trained(options));
    expect(Buffer.compare(await bytesOf(await trained(options)), first)).toBe(0);
    expect(Buffer.compare(await bytesOf(await trained(options, { threads: 1 })), first)).toBe(0);
    expect(Buffer.compare(await bytesOf(await trained({ ...options, seed: 6 })), first)).not.toBe(0);
  });

  test('scores after loading are the same bits', async () => {
    const model = await trained({ iterations: 4 });
    const file = path.join(folder, 'model.safetensors');
    await model.save(file);
    const loaded = await opened(Dinomaly.load(file));
    expect(loaded.config).toEqual(model.config);
    const [a, b] = [await model.score(picture(77)), await loaded.score(picture(77))];
    expect(b.score).toBe(a.score);
    expect(Buffer.compare(Buffer.from(b.map.data.buffer), Buffer.from(a.map.data.buffer))).toBe(0);
    expect(Buffer.compare(await bytesOf(loaded), readFileSync(file))).toBe(0);
    const error = await rejection(Dinomaly.load(file, { dropout: 0.4 }), 'ERR_INVALID_ARGUMENT');
    expect(error.message).toMatch(/load.dropout: expected what .* says, 0.2/);
  });
});

describe('features', () => {
  /** Trains on files that are removed in the second epoch. */
  async function trainedOnce(featureCache: FeatureCacheOptions): Promise<Dinomaly> {
    const paths = Array.from({ length: 8 }, (_, i) => path.join(folder, 'once', `${i}.png`));
    await Promise.all(paths.map((file, i) => writePicture(file, picture(i))));
    const model = await opened(Dinomaly.create(small));
    const images = paths.map((image) => ({ image, class: 'stripes' }));
    const onProgress = ({ iteration }: TrainProgress): void => {
      if (iteration === 3) for (const file of paths) rmSync(file);
    };
    await model.train({ train: images }, { ...schedule, iterations: 8, featureCache, onProgress });
    return model;
  }

  test('are kept in memory, in a file or in both, which leaves nothing behind, and give the same bytes', async () => {
    const cache = path.join(folder, 'cache');
    mkdirSync(cache);
    const inMemory = await bytesOf(await trainedOnce({ file: false }));
    const inFile = await bytesOf(await trainedOnce({ memory: 0, file: cache }));
    const inBoth = await bytesOf(await trainedOnce({ memory: 50_000, file: cache })); // of three pictures
    expect(Buffer.compare(inFile, inMemory)).toBe(0);
    expect(Buffer.compare(inBoth, inMemory)).toBe(0);
    expect(readdirSync(cache)).toEqual([]);
    const deleted = readdirSync('/proc/self/fd').filter((fd) => linkOf(fd).startsWith(cache));
    expect(deleted).toEqual([]);
  });

  test('that there is no room for are computed anew, with the same bytes', async () => {
    const options = { iterations: 8 };
    const kept = await bytesOf(await trained(options));
    for (const file of [false, '/nowhere'] as const) {
      const anew = await bytesOf(await trained({ ...options, featureCache: { memory: 0, file } }));
      expect(Buffer.compare(anew, kept)).toBe(0);
      await rejection(trainedOnce({ memory: 0, file }), 'ERR_IMAGE_UNREADABLE');
    }
  });

  function linkOf(descriptor: string): string {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`);
    } catch {
      return ''; // closed meanwhile
    }
  }
});

describe('an iterable', () => {
  test('is taken in order, one batch each, and training ends when it does', async () => {
    const seen: number[] = [];
    const given = batches(5);
    function* source(): Iterable<Tensor> {
      for (const [i, tensor] of given.entries()) {
        seen.push(i);
        yield tensor;
      }
    }
    const progress: TrainProgress[] = [];
    const model = await opened(Dinomaly.create(small));
    await model.train(source(), { iterations: 50, onProgress: (p) => progress.push(p) });
    expect(seen).toEqual([0, 1, 2, 3, 4]);
    expect(progress.map(({ iteration, iterations }) => [iteration, iterations])).toEqual(
      [1, 2, 3, 4, 5].map((i) => [i, 50]),
    );
    // heatmapMax: over its last batch.
    const { maps } = await model.infer(given[4]!);
    const values = maps.data.slice().sort();
    const at = 0.999 * (values.length - 1);
    const [below, above] = [values[Math.floor(at)]!, values[Math.ceil(at)]!];
    expect(model.config.heatmapMax).toBeCloseTo(2 * (below + (above - below) * (at % 1)), 6);
  });

  test('that has more than is needed is closed, and not asked for more', async () => {
    let asked = 0;
    let closed = false;
    async function* endless(): AsyncIterable<Tensor> {
      try {
        for (;;) yield await Promise.resolve(batch(asked++));
      } finally {
        closed = true;
      }
    }
    const model = await opened(Dinomaly.create(small));
    await model.train(endless(), { iterations: 4 });
    expect(asked).toBe(4);
    expect(closed).toBe(true);
  });

  test('may be empty by mistake', async () => {
    const model = await opened(Dinomaly.create(small));
    await rejection(model.train([]), 'ERR_DATASET');
    expect(model.config.trained).toBe(false);
  });

  test('may throw: training rejects with that, and the model stays usable', async () => {
    const failure = new Error('camera unplugged');
    function* source(): Iterable<Tensor> {
      yield batch(1);
      throw failure;
    }
    const model = await opened(Dinomaly.create(small));
    await expect(model.train(source())).rejects.toBe(failure);
    await model.train(batches(1), { iterations: 1 });
  });
});

describe('abort', () => {
  test('stops within an iteration and leaves a usable model', async () => {
    const model = await opened(Dinomaly.create(small));
    const controller = new AbortController();
    const reason = new Error('enough');
    const done: number[] = [];
    const run = model.train(smallDataset(), {
      ...schedule,
      iterations: 100_000,
      signal: controller.signal,
      onProgress: ({ iteration }) => {
        done.push(iteration);
        if (iteration === 5) controller.abort(reason);
      },
    });
    await expect(run).rejects.toBe(reason);
    expect(done.length).toBeLessThanOrEqual(6);
    expect(model.config).toMatchObject({ trained: true, heatmapMax: 0.5 });
    await model.score(picture(1));
    await model.train(smallDataset(), { ...schedule, iterations: 2 });
    expect(model.config.heatmapMax).not.toBe(0.5);
  });

  test('before the start changes nothing', async () => {
    const model = await opened(Dinomaly.create(small));
    const before = await bytesOf(model);
    const reason = new Error('not at all');
    await expect(model.train(smallDataset(), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(Buffer.compare(await bytesOf(model), before)).toBe(0);
  });

  test('does not wait for a batch that never comes', async () => {
    const never: AsyncIterable<Tensor> = {
      [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}), return: () => new Promise(() => {}) }),
    };
    const model = await opened(Dinomaly.create(small));
    const reason = new Error('enough');
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 50);
    await expect(model.train(never, { signal: controller.signal })).rejects.toBe(reason);
    await model.score(picture(1));
    await model.train(batches(1), { iterations: 1 });
  });
});

test('what onProgress throws is what train rejects with', async () => {
  const model = await opened(Dinomaly.create(small));
  const failure = new Error('the log is full');
  const run = model.train(batches(10), {
    onProgress: () => {
      throw failure;
    },
  });
  await expect(run).rejects.toBe(failure);
  await model.train(batches(1), { iterations: 1 });
});

test('a second training at the same time is refused; a score has the weights of the moment', async () => {
  const model = await opened(Dinomaly.create(small));
  const scores: number[] = [];
  const score = async (): Promise<unknown> => scores.push((await model.score(picture(1))).score);
  async function* source(): AsyncIterable<Tensor> {
    yield* batches(5);
    await rejection(model.train(batches(1)), 'ERR_BUSY');
    await score();
    yield* batches(5);
  }
  await score();
  await model.train(source(), { warmup: 0 });
  await score();
  expect(scores).toHaveLength(3);
  expect(new Set(scores).size).toBe(3);
});

test('training goes on, and is aborted at once, while many pictures wait to be scored', async () => {
  const model = await opened(Dinomaly.create(small));
  const scores = Array.from({ length: 300 }, (_, i) => model.score(picture(i)));
  let scored = 0;
  for (const score of scores) void score.then(() => scored++);
  const controller = new AbortController();
  const reason = new Error('enough');
  let atAbort = NaN;
  const onProgress = (): void => {
    atAbort = scored;
    controller.abort(reason);
  };
  const run = model.train(smallDataset(), { ...schedule, onProgress, signal: controller.signal });
  await expect(run).rejects.toBe(reason);
  expect(scored).toBe(atAbort);
  expect(scored).toBeLessThan(300);
  await model.train(batches(1), { iterations: 1 });
  await Promise.all(scores);
});

test('a loss that is not finite stops training and leaves the weights of the iteration before', async () => {
  const good = batches(2);
  const bad = batch(9);
  bad.data[0] = NaN;
  const model = await opened(Dinomaly.create(small));
  const options = { iterations: 10, warmup: 0 };
  const error = await rejection(model.train([...good, bad, ...batches(5)], options), 'ERR_LOSS_NOT_FINITE');
  expect(error.message).toMatch(/loss/i);
  expect(model.config.heatmapMax).toBe(0.5);
  const other = await opened(Dinomaly.create(small));
  await other.train(good, options);
  const [found, expected] = [await model.stateDict(), await other.stateDict()];
  const different = Object.keys(expected).filter(
    (name) => Buffer.compare(Buffer.from(found[name]!.data.buffer), Buffer.from(expected[name]!.data.buffer)) !== 0,
  );
  expect(different).toEqual([]);
  await model.score(picture(1));
});

describe('a picture that cannot be read', () => {
  const withBroken = async (): Promise<{ data: ReturnType<typeof smallDataset>; broken: string }> => {
    const broken = path.join(folder, 'broken.png');
    const whole = await writePicture(path.join(folder, 'whole.png'), picture(1));
    writeFileSync(broken, readFileSync(whole).subarray(0, 200));
    const data = smallDataset();
    data.train[3]!.image = broken;
    return { data, broken };
  };

  test('stops training and is named', async () => {
    const { data, broken } = await withBroken();
    const model = await opened(Dinomaly.create(small));
    const error = await rejection(model.train(data, { ...schedule, iterations: 3 }), 'ERR_IMAGE_UNREADABLE');
    expect(error.message).toContain(broken);
  });

  test('is left out when that was asked for, with one warning', async () => {
    const { data, broken } = await withBroken();
    const model = await opened(Dinomaly.create(small));
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    await model.train(data, { ...schedule, iterations: 9, unreadable: 'skip' });
    expect(warn.mock.calls.map(([warning]) => warning)).toEqual([expect.stringContaining(broken)]);
    const nothing = { train: data.train.map((item) => ({ ...item, image: broken })) };
    await rejection(model.train(nothing, { ...schedule, unreadable: 'skip' }), 'ERR_IMAGE_UNREADABLE');
    warn.mockRestore();
  });
});
