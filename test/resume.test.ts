import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, statSync, truncateSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Dinomaly, type TrainOptions } from '../lib';
import { rejection } from './support/error';
import { batches, disposing, picture, small, smallDataset, writePicture } from './support/small';
import { temporaryFolder } from './support/temporaryFolder';

const folder = temporaryFolder();
const opened = disposing();
const train = { iterations: 17, batchSize: 3, warmup: 3, discardWarmup: 10 } satisfies TrainOptions;

interface Run {
  create: object;
  train: object;
  images?: string[];
  checkpoint?: { path: string; every: number };
  output: string;
}

/** Runs until the end, or kills once this iteration is reported; which iterations were. */
async function start(run: Run, killAt = Infinity): Promise<{ iterations: number[]; signal: string | null }> {
  const script = path.join(__dirname, 'support/resumable.mjs');
  const child = spawn(process.execPath, [script, JSON.stringify(run)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<[number | null, string | null]>((resolve) => {
    child.on('close', (code, signal) => resolve([code, signal]));
  });
  const iterations: number[] = [];
  for await (const line of createInterface(child.stdout)) {
    iterations.push(Number(line));
    if (Number(line) === killAt) child.kill('SIGKILL');
  }
  const [code, signal] = await ended;
  expect(signal ?? code).toBe(killAt === Infinity ? 0 : 'SIGKILL');
  return { iterations, signal };
}

describe.each(['data set', 'iterable'])('a run on a %s', (kind) => {
  test('that is killed again and again ends with the bytes of one that never stopped', async () => {
    const at = (name: string): string => path.join(folder, `${kind}-${name}`);
    const images = await Promise.all(Array.from({ length: 8 }, (_, i) => writePicture(at(`${i}.png`), picture(i))));
    const run: Run = { create: small, train, output: at('whole'), ...(kind === 'data set' && { images }) };
    await start(run);
    const checkpoint = { path: at('checkpoint'), every: 5 };
    const resumed = { ...run, checkpoint, output: at('resumed') };
    await start(resumed, 3); // before the first checkpoint: starts afresh
    expect((await start(resumed, 7)).iterations).toEqual([1, 2, 3, 4, 5, 6, 7]);
    // Killed while, or shortly before, the second checkpoint is written; with another number of threads.
    expect((await start({ ...resumed, create: { ...small, threads: 1 } }, 10)).iterations[0]).toBe(6);
    const last = await start(resumed);
    expect([6, 11]).toContain(last.iterations[0]);
    expect(last.iterations.at(-1)).toBe(17);
    const whole = readFileSync(at('whole'));
    expect(Buffer.compare(readFileSync(at('resumed')), whole)).toBe(0);

    // Resumed after its end, nothing is trained and the result is the same, heatmapMax too.
    const again = { ...resumed, output: at('again') };
    expect((await start(again)).iterations).toEqual([]);
    expect(Buffer.compare(readFileSync(at('again')), whole)).toBe(0);

    // The checkpoint is a model file as well.
    const [a, b] = await Promise.all([opened(Dinomaly.load(at('whole'))), opened(Dinomaly.load(checkpoint.path))]);
    expect(b.config).toEqual(a.config);
    expect(a.config.trained).toBe(true);
    expect((await b.score(picture(50))).score).toBe((await a.score(picture(50))).score);
  });
});

describe('resume', () => {
  const options = { ...train, batchSize: 4, iterations: 6 };

  async function checkpointed(name: string): Promise<{ path: string; every: number }> {
    const checkpoint = { path: path.join(folder, name), every: 2 };
    const model = await opened(Dinomaly.create(small));
    await model.train(smallDataset(), { ...options, checkpoint });
    expect(existsSync(checkpoint.path)).toBe(true);
    return checkpoint;
  }

  test('names the options that differ', async () => {
    const checkpoint = await checkpointed('mismatch');
    const model = await opened(Dinomaly.create(small));
    const resume = { ...options, checkpoint, resume: true };
    const changed = model.train(smallDataset(), { ...resume, learningRate: 1e-3, batchSize: 3, seed: 9 });
    expect((await rejection(changed, 'ERR_RESUME_MISMATCH')).message).toMatch(
      /differs in learningRate \(0.002 there, 0.001 here\), seed \(1 there, 9 here\), batchSize \(4 there, 3 here\)/,
    );
    const otherData = model.train(smallDataset(5), resume);
    expect((await rejection(otherData, 'ERR_RESUME_MISMATCH')).message).toMatch(/pictures \(12 there, 10 here\)/);
    const { train: pictures } = smallDataset();
    const renamed = model.train({ train: pictures.map((item) => ({ ...item, class: 'other' })) }, resume);
    expect((await rejection(renamed, 'ERR_RESUME_MISMATCH')).message).toMatch(/differs in order \("\w+" there/);
    const iterable = model.train(batches(9), resume);
    expect((await rejection(iterable, 'ERR_RESUME_MISMATCH')).message).toMatch(/iterable/);
    const other = await opened(Dinomaly.create({ ...small, dropout: 0.4 }));
    const otherNetwork = other.train(smallDataset(), resume);
    expect((await rejection(otherNetwork, 'ERR_RESUME_MISMATCH')).message).toMatch(/dropout \(0.2 there, 0.4 here\)/);
    await model.train(smallDataset(), { ...resume, onProgress: () => {}, signal: new AbortController().signal });
  });

  test('refuses a file that is no checkpoint, and an iterable without its start', async () => {
    const model = await opened(Dinomaly.create(small));
    const plain = path.join(folder, 'plain');
    await model.save(plain);
    const resume = { iterations: 5, checkpoint: { path: plain }, resume: true };
    expect((await rejection(model.train(batches(5), resume), 'ERR_FILE_FORMAT')).message).toContain(plain);
    const checkpoint = { path: path.join(folder, 'started'), every: 2 };
    await model.train(batches(4), { iterations: 9, checkpoint });
    const short = model.train(batches(3), { iterations: 9, checkpoint, resume: true });
    expect((await rejection(short, 'ERR_DATASET')).message).toMatch(/4 batches .* found 3/);
  });

  test('goes on after an abort in the same process, to the same bytes', async () => {
    const checkpoint = { path: path.join(folder, 'aborted'), every: 2 };
    const controller = new AbortController();
    const model = await opened(Dinomaly.create(small));
    const aborted = model.train(smallDataset(), {
      ...options,
      checkpoint,
      signal: controller.signal,
      onProgress: ({ iteration }) => iteration === 5 && controller.abort(new Error('enough')),
    });
    await expect(aborted).rejects.toThrow('enough');
    await model.train(smallDataset(), { ...options, checkpoint, resume: true });
    await model.save(path.join(folder, 'after'));
    const whole = await opened(Dinomaly.create(small));
    await whole.train(smallDataset(), options);
    await whole.save(path.join(folder, 'without'));
    expect(Buffer.compare(readFileSync(path.join(folder, 'after')), readFileSync(path.join(folder, 'without')))).toBe(
      0,
    );
  });

  test('a checkpoint that cannot be written ends training', async () => {
    const model = await opened(Dinomaly.create(small));
    const checkpoint = { path: path.join(folder, 'no', 'such', 'folder'), every: 1 };
    await rejection(model.train(batches(3), { checkpoint }), 'ERR_IO');
    await model.score(picture(1));
  });

  test('a truncated checkpoint is told from a whole one', async () => {
    const checkpoint = await checkpointed('truncated');
    const cut = path.join(folder, 'cut');
    copyFileSync(checkpoint.path, cut);
    truncateSync(cut, statSync(cut).size - 100);
    const model = await opened(Dinomaly.create(small));
    const resume = { ...options, checkpoint: { path: cut }, resume: true };
    expect((await rejection(model.train(smallDataset(), resume), 'ERR_FILE_FORMAT')).message).toContain(cut);
  });
});
