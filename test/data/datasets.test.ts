import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { datasets } from '../../lib';
import { rejection } from '../support/error';
import { temporaryFolder } from '../support/temporaryFolder';

const folder = temporaryFolder();

/** Empty files: a data set is names alone. */
function touch(root: string, ...names: string[]): string {
  for (const name of names) {
    const file = path.join(folder, root, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, '');
  }
  return path.join(folder, root);
}

test.each<[string, () => Promise<unknown>, RegExp]>([
  ['mvtec root', () => datasets.mvtec(undefined as never), /mvtec.root: expected a string/],
  ['mvtec classes', () => datasets.mvtec('x', { classes: 'nut' as never }), /mvtec.classes: .*found 'nut'/],
  ['mvtec options', () => datasets.mvtec('x', null as never), /mvtec: .*found null/],
  ['folder', () => datasets.folder(null as never), /folder: expected an object with one entry per class/],
  ['folder class', () => datasets.folder({ nut: 'x' as never }), /folder.nut: .*train, good, defective, masks/],
  [
    'folder name',
    () => datasets.folder({ nut: { test: 'x' } as never }),
    /folder.nut: expected only the fields train.*found 'test'/,
  ],
])('%s is checked', async (_, call, message) => {
  expect((await rejection(call(), 'ERR_INVALID_ARGUMENT')).message).toMatch(message);
});

describe('mvtec', () => {
  test('reads classes, kinds of defects and masks, in natural order', async () => {
    const root = touch(
      'whole',
      ...['nut/train/good/10.png', 'nut/train/good/9.png', 'nut/train/good/notes.txt', 'bolt/train/good/1.jpg'],
      ...['nut/test/good/0.png', 'nut/test/bent/0.png', 'nut/ground_truth/bent/0_mask.png'],
      ...['bolt/test/good/0.jpg', 'readme.md'],
    );
    const at = (...parts: string[]): string => path.join(root, ...parts);
    expect(await datasets.mvtec(root)).toEqual({
      classes: ['bolt', 'nut'],
      train: [
        { image: at('bolt/train/good/1.jpg'), class: 'bolt' },
        { image: at('nut/train/good/9.png'), class: 'nut' },
        { image: at('nut/train/good/10.png'), class: 'nut' },
      ],
      test: [
        { image: at('bolt/test/good/0.jpg'), class: 'bolt', label: 0 },
        { image: at('nut/test/bent/0.png'), class: 'nut', label: 1, mask: at('nut/ground_truth/bent/0_mask.png') },
        { image: at('nut/test/good/0.png'), class: 'nut', label: 0 },
      ],
    });
    expect((await datasets.mvtec(root, { classes: ['nut'] })).classes).toEqual(['nut']);
  });

  test('reads the demo set', async () => {
    const demo = await datasets.mvtec(path.join(__dirname, '../../demo'), { classes: ['brick', 'gravel', 'stars'] });
    expect(new Set(demo.test.map((item) => item.label))).toEqual(new Set([0, 1]));
    for (const item of demo.test) expect('mask' in item).toBe(item.label === 1);
  });

  test('names what is missing', async () => {
    const gone = await rejection(datasets.mvtec(path.join(folder, 'gone')), 'ERR_FILE_NOT_FOUND');
    expect(gone.message).toContain(path.join(folder, 'gone'));
    const empty = await rejection(datasets.mvtec(touch('none', 'readme.md')), 'ERR_DATASET');
    expect(empty.message).toMatch(/one folder per class/);
    const noClass = await rejection(datasets.mvtec(folder, { classes: ['absent'] }), 'ERR_FILE_NOT_FOUND');
    expect(noClass.message).toContain(path.join(folder, 'absent', 'train', 'good'));
    const noPicture = touch('empty', 'nut/train/good/notes.txt');
    expect((await rejection(datasets.mvtec(noPicture), 'ERR_DATASET')).message).toMatch(/class "nut".*no picture/);
    const maskless = touch(
      'maskless',
      ...['nut/train/good/1.png', 'nut/test/bent/7.png', 'nut/ground_truth/bent/6_mask.png'],
    );
    const noMask = await rejection(datasets.mvtec(maskless), 'ERR_DATASET');
    expect(noMask.message).toContain('7_mask.png');
  });
});

describe('folder', () => {
  test('takes folders that lie anywhere, each optional', async () => {
    const root = touch('own', 'ok/2.png', 'ok/10.png', 'held/3.jpg', 'bad/4.png', 'masks/4.png', 'other/5.webp');
    const at = (...parts: string[]): string => path.join(root, ...parts);
    const data = await datasets.folder({
      screw: { train: at('ok'), good: at('held'), defective: at('bad'), masks: at('masks') },
      nut: { defective: at('other') },
    });
    expect(data).toEqual({
      classes: ['screw', 'nut'],
      train: [
        { image: at('ok/2.png'), class: 'screw' },
        { image: at('ok/10.png'), class: 'screw' },
      ],
      test: [
        { image: at('held/3.jpg'), class: 'screw', label: 0 },
        { image: at('bad/4.png'), class: 'screw', label: 1, mask: at('masks/4.png') },
        { image: at('other/5.webp'), class: 'nut', label: 1 },
      ],
    });
  });

  test('may have a class called __proto__', async () => {
    const root = touch('odd', 'ok/1.png');
    const data = await datasets.folder(Object.fromEntries([['__proto__', { train: path.join(root, 'ok') }]]));
    expect(data.train).toEqual([{ image: path.join(root, 'ok/1.png'), class: '__proto__' }]);
  });

  test('names what is missing', async () => {
    expect((await rejection(datasets.folder({ screw: {} }), 'ERR_DATASET')).message).toMatch(/"screw" is empty/);
    const gone = path.join(folder, 'not-here');
    const error = await rejection(datasets.folder({ screw: { train: gone } }), 'ERR_FILE_NOT_FOUND');
    expect(error.message).toContain(gone);
  });
});
