import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { NativeModel } from '../../lib/addon';
import { recallTuning, tuningKeeper } from '../../lib/device';
import type { Surroundings } from '../../lib/device/surroundings';
import { mergeTunings } from '../../lib/device/tuningText';
import { machineIn, touch } from '../support/deviceLibrary';
import { temporaryFolder } from '../support/temporaryFolder';

const folder = temporaryFolder();
let machines = 0;

function machine() {
  const here = path.join(folder, String(machines++));
  mkdirSync(here);
  return { around: machineIn(here), file: path.join(here, 'cache/dinomaly-native/tuning.txt') };
}

const first = 'dinomaly products 1';

/** A product of m rows, and what was chosen for it. */
function line(m: number, algorithm: string): string {
  const fields = ['NVIDIA H100', 9, 0, 130_000, 'bf16', 'bf16', 'n', 't', m, 64, 64, 'bias', '-', '-'];
  return [...fields, algorithm.repeat(128)].join('\t');
}

const textOf = (...lines: string[]) => [first, ...lines].map((text) => `${text}\n`).join('');

/** Of a model that does this when it is asked what it measured. */
const keeperAsking = (tuning: () => Promise<string>, around: Surroundings) =>
  tuningKeeper({ tuning } as Partial<NativeModel> as NativeModel, around);
const keeperOf = (text: string, around: Surroundings) => keeperAsking(() => Promise.resolve(text), around);

describe('two texts', () => {
  test('become one with the lines of both; of two for one product ours stays', () => {
    const merged = mergeTunings(textOf(line(2, 'a'), line(3, 'a')), textOf(line(1, 'b'), line(2, 'b')), 2 ** 20);
    expect(merged).toBe(textOf(line(1, 'b'), line(2, 'a'), line(3, 'a')));
    expect(mergeTunings(merged, merged, 2 ** 20)).toBe(merged);
  });

  test.each([
    ['of another version', textOf(line(1, 'b')).replace('products 1', 'products 2')],
    ['with a line that lacks a field', textOf(line(1, 'b'), line(2, 'b').replace('\tbias', ''))],
    ['with an empty line', textOf(line(1, 'b'), '')],
    ['that is nonsense', 'nonsense'],
    ['that is empty', ''],
  ])('become ours if theirs is one %s', (_, theirs) => {
    expect(mergeTunings(textOf(line(3, 'a')), theirs, 2 ** 20)).toBe(textOf(line(3, 'a')));
  });

  test('become no larger than is allowed, and hold all of ours', () => {
    const ours = textOf(line(1000, 'a'), line(1001, 'a'));
    const theirs = textOf(...Array.from({ length: 100 }, (_, i) => line(2000 + i, 'b')));
    const merged = mergeTunings(ours, theirs, 2000);
    expect(merged.length).toBeLessThanOrEqual(2000);
    expect(merged.length).toBeGreaterThan(1800);
    for (const own of ours.split('\n')) expect(merged).toContain(own);
  });
});

test('what two models measure is kept, and what is kept is given to the next', async () => {
  const { around, file } = machine();
  for (const text of [textOf(line(1, 'a')), textOf(line(2, 'b'))]) await keeperOf(text, around).keep();
  expect(readFileSync(file, 'utf8')).toBe(textOf(line(1, 'a'), line(2, 'b')));
  const given: string[] = [];
  const addTuning = (text: string) => Promise.resolve(void given.push(text));
  await recallTuning({ addTuning } as Partial<NativeModel> as NativeModel, around);
  expect(given).toEqual([textOf(line(1, 'a'), line(2, 'b'))]);
});

test.each([
  ['ERR_FILE_FORMAT', false],
  ['ERR_DEVICE_LOST', true],
])('a file that a model refuses with %s stays: %s', async (code, stays) => {
  const { around, file } = machine();
  touch(file, textOf(line(1, 'x')));
  const addTuning = () => Promise.reject(Object.assign(new Error('refused'), { code }));
  await recallTuning({ addTuning } as Partial<NativeModel> as NativeModel, around);
  expect(existsSync(file)).toBe(stays);
});

test('more than the file may hold is not kept', async () => {
  const { around, file } = machine();
  const text = textOf(...Array.from({ length: 10_000 }, (_, i) => line(i + 1, 'a')));
  await keeperOf(text, around).keep();
  expect(existsSync(file)).toBe(false);
});

test('work is asked about at most once a minute, and settled() waits until it is kept', async () => {
  const { around, file } = machine();
  let asked = 0;
  const keeper = keeperAsking(() => Promise.resolve(textOf(line(++asked, 'a'))), around);
  keeper.worked();
  keeper.worked();
  await keeper.settled();
  expect(readFileSync(file, 'utf8')).toBe(textOf(line(1, 'a')));
  await keeper.keep();
  expect(readFileSync(file, 'utf8')).toBe(textOf(line(1, 'a'), line(2, 'a')));
});

test('a model that was disposed of keeps nothing', async () => {
  const { around, file } = machine();
  await keeperAsking(() => Promise.reject(new Error('disposed')), around).keep();
  expect(existsSync(file)).toBe(false);
});
