import path from 'node:path';
import { called } from '../caller';
import { DinomalyError } from '../errors';
import type { Dataset, TestItem, TrainItem } from '../types';
import { fields, list, parse, text } from '../validate';
import { foldersIn, masksOf, picturesIn } from './files';

const mvtecOptions = fields({ classes: list(text).optional() });

/**
 * Reads a data set laid out like MVTec-AD: `<class>/train/good/*`, `<class>/test/<good or kind of defect>/*` and
 * `<class>/ground_truth/<kind of defect>/<name>_mask.png`. File names only; pictures are read when they are needed.
 *
 * @param options.classes which folders of `root`; default: all, in natural order
 * @throws ERR_FILE_NOT_FOUND for a missing folder, ERR_DATASET for an empty one or a missing mask,
 *   ERR_INVALID_ARGUMENT
 */
export function mvtec(root: string, options: { classes?: string[] } = {}): Promise<Dataset> {
  return called(() => {
    const { classes } = parse(mvtecOptions, options, 'mvtec');
    return readClasses(parse(text, root, 'mvtec.root'), classes);
  });
}

async function readClasses(root: string, wanted: string[] | undefined): Promise<Dataset> {
  const classes = wanted ?? (await foldersIn(root, 'one folder per class'));
  if (classes.length === 0) {
    throw new DinomalyError('ERR_DATASET', `Expected one folder per class in ${root}, found no class.`);
  }
  const train: TrainItem[] = [];
  const test: TestItem[] = [];
  for (const name of classes) {
    const folder = path.join(root, name);
    const good = await picturesIn(path.join(folder, 'train', 'good'), `training pictures of class "${name}"`);
    train.push(...good.map((image) => ({ image, class: name })));
    test.push(...(await testItems(folder, name)));
  }
  return { classes, train, test };
}

async function testItems(folder: string, name: string): Promise<TestItem[]> {
  const items: TestItem[] = [];
  for (const kind of await foldersIn(path.join(folder, 'test'), `test pictures of class "${name}"`)) {
    const pictures = await picturesIn(path.join(folder, 'test', kind), `test pictures of class "${name}"`);
    if (kind === 'good') {
      items.push(...pictures.map((image) => ({ image, class: name, label: 0 as const })));
    } else {
      const masks = await masksOf(pictures, path.join(folder, 'ground_truth', kind));
      items.push(...pictures.map((image, i) => ({ image, class: name, label: 1 as const, mask: masks[i]! })));
    }
  }
  return items;
}
