import { z } from 'zod/v3';
import { DinomalyError } from '../errors';
import type { ImageInput, TestItem, TestSet, TrainItem, TrainSet } from '../types';
import { list, number, parse, text } from '../validate';

const image = z.custom<ImageInput>(
  (value) => (typeof value === 'string' && value !== '') || (typeof value === 'object' && value !== null),
  { message: "a path, an encoded picture's bytes, or raw pixels { data, width, height, channels }" },
);
const classes = list(text).optional();
const trainItem = z.object({ image, class: text });
const label = number('0 (good) or 1 (defective)', (value) => value === 0 || value === 1) as z.ZodType<0 | 1>;
const testItem = z.object({ image, class: text, label, mask: image.optional() });
const trainSet = z.object({ classes, train: z.array(trainItem, { message: 'an array' }) }, { message: 'a data set' });
const testSet = z.object({ classes, test: z.array(testItem, { message: 'an array' }) }, { message: 'a data set' });

/** The training pictures. @throws ERR_INVALID_ARGUMENT for what is no data set, ERR_DATASET for an empty class */
export function checkTrainSet(data: TrainSet): TrainItem[] {
  const { train, classes: names } = parse(trainSet, data, 'data');
  byClass(train, names, 'training');
  return data.train;
}

/** The test pictures of each class. @throws ERR_INVALID_ARGUMENT for what is no data set, ERR_DATASET for an empty class */
export function checkTestSet(data: TestSet): Map<string, TestItem[]> {
  const { classes: names } = parse(testSet, data, 'data');
  return byClass(data.test, names, 'test');
}

function byClass<T extends { class: string }>(items: T[], names: string[] | undefined, what: string): Map<string, T[]> {
  const groups = new Map<string, T[]>((names ?? []).map((name) => [name, []]));
  for (const item of items) {
    const group = groups.get(item.class) ?? [];
    group.push(item);
    groups.set(item.class, group);
  }
  if (items.length === 0) throw new DinomalyError('ERR_DATASET', `Expected ${what} pictures, found none.`);
  for (const [name, group] of groups) {
    if (group.length > 0) continue;
    throw new DinomalyError('ERR_DATASET', `Class "${name}" is empty: expected ${what} pictures of it, found none.`);
  }
  return groups;
}
