import { Dinomaly } from '../lib';
import { rejection } from './support/error';
import { runScript } from './support/runScript';
import { batches, disposing, picture, small, smallDataset } from './support/small';

const opened = disposing();

describe('dispose', () => {
  test('may be called twice; every later call rejects', async () => {
    const model = await Dinomaly.create(small);
    await model.dispose();
    await model.dispose();
    for (const call of [
      () => model.score(picture(1)),
      () => model.train(batches(1)),
      () => model.infer(batches(1)[0]!),
      () => model.evaluate(smallDataset()),
      () => model.save('never'),
      () => model.stateDict(),
      () => model.exportOnnx('never'),
    ]) {
      await rejection(call(), 'ERR_DISPOSED');
    }
    expect(model.config.trained).toBe(false);
  });

  test('ends what is under way', async () => {
    const model = await Dinomaly.create(small);
    const started = new Promise<void>((resolve) => {
      const run = model.train(smallDataset(), { iterations: 100_000, batchSize: 4, onProgress: () => resolve() });
      void rejection(run, 'ERR_DISPOSED').then(() => (trainingEnded = true));
    });
    let trainingEnded = false;
    await started;
    const scores = model.score(Array.from({ length: 50 }, (_, i) => picture(i)));
    const refused = rejection(scores, 'ERR_DISPOSED');
    await model.dispose();
    await refused;
    await new Promise(setImmediate);
    expect(trainingEnded).toBe(true);
  });

  test('is what `await using` calls', async () => {
    const model = await Dinomaly.create(small);
    await model[Symbol.asyncDispose]();
    await rejection(model.stateDict(), 'ERR_DISPOSED');
  });
});

test('config is a copy', async () => {
  const model = await opened(Dinomaly.create(small));
  model.config.encoder.targets.push(99);
  expect(model.config.encoder.targets).toEqual([0, 1, 2, 3]);
});

test('stateDict has the released names', async () => {
  const model = await opened(Dinomaly.create(small));
  const state = await model.stateDict();
  expect(state['bottleneck.0.fc1.weight']!.shape).toEqual([256, 64]);
  expect(state['decoder.3.attn.qkv.weight']!.shape).toEqual([192, 64]);
  expect(state['encoder.blocks.0.attn.qkv.weight']!.shape).toEqual([192, 64]);
  expect(state['encoder.pos_embed']!.data).toHaveLength(26 * 64);
});

test('create and dispose 200 times keeps no memory', async () => {
  const { early, late } = (await runScript('createAndDispose.mjs', { flags: ['--expose-gc'] })) as Record<
    string,
    number
  >;
  expect(late! - early!).toBeLessThan(0.1 * early!);
});

test('a process exits by itself, also with a model that was never disposed of', async () => {
  expect(await runScript('exits.mjs')).toEqual({ scored: true });
});

test('models work in worker threads, several at once', async () => {
  const scores = (await runScript('workers.mjs')) as number[];
  expect(scores).toHaveLength(3);
  expect(scores[0]).toBeGreaterThan(0);
  expect(new Set(scores).size).toBe(1);
});

test('the event loop stays free while a model trains and scores', async () => {
  const { iterations, scores, p99 } = (await runScript('eventLoop.mjs')) as Record<string, number>;
  expect(iterations).toBe(20);
  expect(scores).toBeGreaterThan(0);
  expect(p99!).toBeLessThan(20);
});
