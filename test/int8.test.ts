import { readFileSync } from 'node:fs';
import path from 'node:path';
import { datasets, Dinomaly, type ScoreResult, type TestItem } from '../lib';
import { disposing } from './support/small';
import { temporaryFolder } from './support/temporaryFolder';

const folder = temporaryFolder();
const opened = disposing();
const runtime = { device: 'cpu', threads: 2 } as const;

/** Of all maps together. */
function correlation(found: ScoreResult[], expected: ScoreResult[]): number {
  const mean = (results: ScoreResult[]): number =>
    results.reduce((sum, { map }) => sum + map.data.reduce((all, value) => all + value, 0) / map.data.length, 0) /
    results.length;
  const means = [mean(found), mean(expected)] as const;
  let [both, first, second] = [0, 0, 0];
  found.forEach(({ map }, i) =>
    map.data.forEach((value, at) => {
      const [a, b] = [value - means[0], expected[i]!.map.data[at]! - means[1]];
      both += a * b;
      first += a * a;
      second += b * b;
    }),
  );
  return both / Math.sqrt(first * second);
}

/** For each pair of a good and a defective picture of a class, whether the defective one has the higher score. */
function pairs(items: TestItem[], results: ScoreResult[]): boolean[] {
  return items.flatMap((good, i) =>
    items.flatMap((bad, j) =>
      good.class === bad.class && good.label < bad.label ? [results[j]!.score > results[i]!.score] : [],
    ),
  );
}

test("a trained model's maps and ranking in int8 are nearly those in f32, and its file is the same", async () => {
  const { train, test, classes } = await datasets.mvtec(path.join(__dirname, '../demo'));
  const items = classes.flatMap((name) =>
    ([0, 1] as const).flatMap((label) =>
      test.filter((item) => item.class === name && item.label === label).slice(0, 3),
    ),
  );
  const images = items.map(({ image }) => image);
  const trained = await opened(Dinomaly.create({ ...runtime, image: { resize: 128, crop: 112 } }));
  await trained.train({ classes, train, test }, { iterations: 8, batchSize: 4, warmup: 2 });
  const file = path.join(folder, 'trained');
  await trained.save(file);
  const exact = await opened(Dinomaly.load(file, runtime));
  const rounded = await opened(Dinomaly.load(file, { ...runtime, precision: 'int8' }));

  const expected = await exact.score(images);
  const found = await rounded.score(images);
  expect(found.map(({ score }) => score)).not.toEqual(expected.map(({ score }) => score));
  expect(correlation(found, expected)).toBeGreaterThan(0.999);
  const before = pairs(items, expected);
  expect(before).toHaveLength(classes.length * 9);
  expect(pairs(items, found).filter((order, i) => order !== before[i]).length).toBeLessThanOrEqual(2);

  const files = ['f32', 'int8'].map((name) => path.join(folder, name));
  await exact.save(files[0]!);
  await rounded.save(files[1]!);
  expect(Buffer.compare(readFileSync(files[1]!), readFileSync(files[0]!))).toBe(0);
}, 120_000);
