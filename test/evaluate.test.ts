import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Dinomaly, type EvaluatedPicture, metrics, type TestItem } from '../lib';
import { addon } from '../lib/addon';
import { rejection } from './support/error';
import { disposing, picture, small, smallDataset } from './support/small';
import { temporaryFolder } from './support/temporaryFolder';

const folder = temporaryFolder();
const opened = disposing();

/** Two good and two defective pictures of each class. */
function dataset(): ReturnType<typeof smallDataset> {
  const data = smallDataset();
  const more = smallDataset().test.map((item, i) => (item.label === 0 ? { ...item, image: picture(300 + i) } : item));
  return { ...data, test: [...data.test, ...more] };
}

test('measures each class, and their mean, from scores and maps', async () => {
  const model = await opened(Dinomaly.create(small));
  await model.train(dataset(), { iterations: 20, batchSize: 4, warmup: 2 });
  const data = dataset();
  const progress: unknown[] = [];
  const { classes, mean } = await model.evaluate(data, { onProgress: (p) => progress.push(p) });
  expect(progress).toEqual(Array.from({ length: 8 }, (_, i) => ({ done: i + 1, total: 8 })));
  expect(Object.keys(classes)).toEqual(['stripes', 'bands']);
  for (const [name, found] of Object.entries(classes)) {
    const items = data.test.filter((item) => item.class === name);
    const results = await model.score(items.map(({ image }) => image));
    const labels = items.map(({ label }) => label);
    const scores = results.map(({ score }) => score);
    const maps = results.map(({ map }) => map.data);
    const masks = await Promise.all(
      items.map(async ({ mask }) => {
        if (mask === undefined) return new Uint8Array(65536);
        return addon().prepareMask((mask as { data: Uint8Array }).data, 72, 60, 64, 56);
      }),
    );
    expect(found.image).toEqual({
      auroc: await metrics.auroc(labels, scores),
      ap: await metrics.averagePrecision(labels, scores),
      f1Max: await metrics.f1Max(labels, scores),
    });
    expect(found.pixel).toEqual({
      auroc: await metrics.auroc(masks, maps),
      ap: await metrics.averagePrecision(masks, maps),
      f1Max: await metrics.f1Max(masks, maps),
      aupro: await metrics.aupro(masks, maps, { width: 256, height: 256 }),
    });
    expect(found.pixel.auroc).toBeGreaterThan(0);
  }
  expect(mean.pixel.aupro).toBeCloseTo((classes['stripes']!.pixel.aupro + classes['bands']!.pixel.aupro) / 2, 12);
});

test('what is undefined is NaN, null in JSON and left out of the mean', async () => {
  const model = await opened(Dinomaly.create(small));
  const { test: items } = dataset();
  const withoutMasks = items
    .filter((item) => item.class === 'bands')
    .map(({ image, label }) => ({ image, label, class: 'maskless' }));
  const good = items
    .filter(({ label }) => label === 0)
    .map(({ image }) => ({ image, label: 0 as const, class: 'good' }));
  const striped = items.filter((item) => item.class === 'stripes');
  const { classes, mean } = await model.evaluate({ test: [...withoutMasks, ...good, ...striped] });
  const undefinedPixels = { auroc: NaN, ap: NaN, f1Max: NaN, aupro: NaN };
  expect(classes['maskless']!.pixel).toEqual(undefinedPixels);
  expect(classes['maskless']!.image.auroc).toBeGreaterThanOrEqual(0);
  expect(classes['good']).toEqual({ image: { auroc: NaN, ap: NaN, f1Max: NaN }, pixel: undefinedPixels });
  expect(mean.pixel).toEqual(classes['stripes']!.pixel);
  expect(mean.image.ap).toBeCloseTo((classes['maskless']!.image.ap + classes['stripes']!.image.ap) / 2, 12);
  expect(JSON.stringify(classes['good']!.image)).toBe('{"auroc":null,"ap":null,"f1Max":null}');
});

test('onPicture gets every result, with its heat map if asked for, and is waited for', async () => {
  const model = await opened(Dinomaly.create(small));
  const data = dataset();
  const found = new Map<TestItem, EvaluatedPicture>();
  await model.evaluate(data, {
    heatmap: 'png',
    heatmapMax: 0.7,
    onPicture: async (picture) => {
      await setTimeout(20);
      found.set(picture.item, picture);
    },
  });
  expect(found.size).toBe(data.test.length);
  for (const item of data.test) {
    expect(found.get(item)).toEqual({ item, ...(await model.score(item.image, { heatmap: 'png', heatmapMax: 0.7 })) });
  }
  const plain: EvaluatedPicture[] = [];
  await model.evaluate(data, { onPicture: (picture) => void plain.push(picture) });
  expect(plain.filter(({ heatmap }) => heatmap)).toEqual([]);
  const failure = new Error('the disk is full');
  await expect(model.evaluate(data, { onPicture: () => Promise.reject(failure) })).rejects.toBe(failure);
});

describe('a picture that cannot be read', () => {
  test('stops evaluation and is named, or is left out as if it were not there', async () => {
    const model = await opened(Dinomaly.create(small));
    const data = dataset();
    const expected = await model.evaluate(data);
    const absent = path.join(folder, 'absent.png');
    const broken = { image: absent, class: 'stripes', label: 0 as const };
    const withBroken = { test: [broken, ...data.test] };
    expect((await rejection(model.evaluate(withBroken), 'ERR_IMAGE_UNREADABLE')).message).toContain(absent);
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    expect(await model.evaluate(withBroken, { unreadable: 'skip' })).toEqual(expected);
    expect(warn.mock.calls.map(([warning]) => warning)).toEqual([expect.stringContaining(absent)]);
    await rejection(model.evaluate({ test: [broken] }, { unreadable: 'skip' }), 'ERR_DATASET');
    warn.mockRestore();
  });
});

test('a mask of another size than its picture is refused', async () => {
  const model = await opened(Dinomaly.create(small));
  const data = dataset();
  data.test[1]!.mask = { data: new Uint8Array(12), width: 4, height: 3, channels: 1 };
  expect((await rejection(model.evaluate(data), 'ERR_DATASET')).message).toMatch(/size, 72 x 60, found 4 x 3/);
});

test('a class may be called __proto__', async () => {
  const model = await opened(Dinomaly.create(small));
  const test = dataset().test.map((item) => ({ ...item, class: '__proto__' }));
  const { classes, mean } = await model.evaluate({ test });
  expect(Object.entries(classes)).toEqual([['__proto__', mean]]);
});

test('the first failure ends the pictures that wait', async () => {
  const model = await opened(Dinomaly.create(small));
  const [good] = dataset().test;
  const failure = new Error('the log is full');
  let done = 0;
  const run = model.evaluate(
    { test: Array.from({ length: 200 }, () => good!) },
    {
      onProgress: () => {
        done++;
        throw failure;
      },
    },
  );
  await expect(run).rejects.toBe(failure);
  await model.score(picture(1)); // waits behind whatever is still under way
  expect(done).toBeLessThan(20);
});

test('abort rejects with the reason and leaves a usable model', async () => {
  const model = await opened(Dinomaly.create(small));
  const controller = new AbortController();
  const reason = new Error('enough');
  const run = model.evaluate(dataset(), { signal: controller.signal, onProgress: () => controller.abort(reason) });
  await expect(run).rejects.toBe(reason);
  await model.score(picture(1));
});
