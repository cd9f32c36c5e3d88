import { callScript } from '../support/script';

interface Row {
  work: string;
  side: string;
  unit: string;
  median: number;
  spread: number;
  ratio: number | null;
  roofShare: number | null;
}

const call = (module: string, name: string, ...args: unknown[]) =>
  callScript(`../bench/lib/${module}.mjs`, name, ...args);
const rowsOf = (work: object, values: object) => call('rows', 'rowsOf', work, values) as Row[];

test('quartiles lie between values as numpy puts them', () => {
  const values = [4, 1, 3, 2];
  expect([0, 0.25, 0.5, 0.75, 1].map((q) => call('statistics', 'quantile', values, q))).toEqual([
    1, 1.75, 2.5, 3.25, 4,
  ]);
  expect(call('statistics', 'spread', values)).toBeCloseTo(1.5 / 2.5, 12);
  expect(call('statistics', 'median', [7])).toBe(7);
  expect(call('statistics', 'spread', [7])).toBe(0);
});

test('each side is as often first as the others', () => {
  const orders = [0, 1, 2, 3].map((round) => call('statistics', 'rotated', ['a', 'b', 'c'], round));
  expect(orders).toEqual([
    ['a', 'b', 'c'],
    ['b', 'c', 'a'],
    ['c', 'a', 'b'],
    ['a', 'b', 'c'],
  ]);
});

test('a rate is better when it is higher, and the roof is no peer', () => {
  const work = { name: 'score/S14/224/f32/b1/t2', unit: 'pictures/s' };
  const values = { 'dinomaly-native': [6, 5, 7], onnxruntime: [3, 4, 5], openvino: [5, 5, 5], roof: [8, 8, 8] };
  expect(rowsOf(work, values)).toEqual([
    {
      work: work.name,
      side: 'dinomaly-native',
      unit: 'pictures/s',
      median: 6,
      spread: expect.closeTo(1 / 6, 12) as number,
      ratio: 1.2,
      roofShare: 0.75,
    },
    {
      work: work.name,
      side: 'onnxruntime',
      unit: 'pictures/s',
      median: 4,
      spread: 0.25,
      ratio: 0.8,
      roofShare: 0.5,
    },
    { work: work.name, side: 'openvino', unit: 'pictures/s', median: 5, spread: 0, ratio: 1, roofShare: 0.625 },
  ]);
});

test('a time is better when it is lower', () => {
  const rows = rowsOf({ name: 'metrics/83x256', unit: 's' }, { 'dinomaly-native': [0.5], 'scikit-learn': [10] });
  expect(rows.map(({ ratio, roofShare }) => [ratio, roofShare])).toEqual([
    [20, null],
    [1, null],
  ]);
});

test('without peers there is no ratio', () => {
  const [row] = rowsOf({ name: 'demo', unit: 's' }, { 'dinomaly-native': [140] });
  expect(row!.ratio).toBeNull();
});

test('over all rows of scoring in f32 our ratios are multiplied', () => {
  const row = (work: string, side: string, ratio: number) => ({ work, side, ratio });
  const rows = [
    row('score/S14/224/f32/b1/t1', 'dinomaly-native', 2),
    row('score/S14/224/f32/b1/t1', 'openvino', 1),
    row('score/B14/392/f32/b4/t2', 'dinomaly-native', 0.5),
    row('score/S14/224/int8/b1/t2', 'dinomaly-native', 9),
    row('train/S14/280/f32/b8/t2', 'dinomaly-native', 9),
  ];
  expect(call('rows', 'scoringRatio', rows)).toBeCloseTo(1, 12);
});

test('what a side answers becomes a value in the unit of the work', () => {
  const value = (work: object, answer: object, calls: number) => call('measure', 'valueOf', work, answer, calls);
  expect(value({ unit: 'pictures/s', pictures: 4 }, { milliseconds: 2000 }, 3)).toBe(6);
  expect(value({ unit: 'ms' }, { milliseconds: 12 }, 3)).toBe(4);
  expect(value({ unit: 's' }, { milliseconds: 3000 }, 2)).toBe(1.5);
  expect(value({ unit: 'MB' }, { value: 243 }, 1)).toBe(243);
});

test('a work that is slow gets fewer rounds, and never fewer than three unless it says so', () => {
  const goesOn = (state: object) => call('measure', 'goesOn', state);
  expect(goesOn({ done: 2, milliseconds: 1e6 })).toBe(true);
  expect(goesOn({ done: 3, milliseconds: 1e6 })).toBe(false);
  expect(goesOn({ done: 3, milliseconds: 1000 })).toBe(true);
  expect(goesOn({ done: 5, milliseconds: 1000 })).toBe(false);
  expect(goesOn({ done: 1, most: 1, milliseconds: 0 })).toBe(false);
  expect(goesOn({ done: 6, asked: 7, most: 1, milliseconds: 1e6 })).toBe(true);
  expect(goesOn({ done: 7, asked: 7, milliseconds: 0 })).toBe(false);
});

test('the table leaves out what there is none of', () => {
  const rows = [
    { work: 'a', side: 'dinomaly-native', unit: 's', median: 0.5, spread: 0.031, ratio: 20, roofShare: null },
    { work: 'a', side: 'scikit-learn', unit: 's', median: 10, spread: 0, ratio: 1, roofShare: null },
    { work: 'b', side: 'dinomaly-native', unit: 'pictures/s', median: 250.4, spread: 0, ratio: null, roofShare: 0.934 },
  ];
  expect((call('table', 'table', rows) as string).split('\n')).toEqual([
    'work  side             median  unit        spread  x best peer  of the roof',
    'a     dinomaly-native   0.500  s            3.1 %        20.00            -',
    '      scikit-learn       10.0  s            0.0 %         1.00            -',
    'b     dinomaly-native     250  pictures/s   0.0 %            -         93 %',
  ]);
});
