import { called } from '../caller';
import { DinomalyError } from '../errors';
import type { Dataset, TestItem, TrainItem } from '../types';
import { fields, invalid, parse, text } from '../validate';
import { masksOf, picturesIn } from './files';

/** Folders of one class; each is optional. */
export interface FolderClass {
  /** Good pictures to train on. */
  train?: string;
  /** Good pictures to evaluate on. */
  good?: string;
  /** Defective pictures to evaluate on. */
  defective?: string;
  /** Their masks, `<name>_mask.png` or `<name>.png`, one for each; without them pixel metrics are NaN. */
  masks?: string;
}

const folderClass = fields({
  train: text.optional(),
  good: text.optional(),
  defective: text.optional(),
  masks: text.optional(),
});

/**
 * A data set from folders that lie anywhere: `datasets.folder({ screw: { train: 'screws/ok', good: 'screws/ok2',
 * defective: 'screws/bad', masks: 'screws/masks' }, nut: {...} })`, one entry per class. Only `train` is needed to
 * train, only the others to evaluate.
 *
 * @throws ERR_FILE_NOT_FOUND for a missing folder, ERR_DATASET for an empty one, a missing mask or a class without any,
 *   ERR_INVALID_ARGUMENT
 */
export function folder(classes: Record<string, FolderClass>): Promise<Dataset> {
  return called(() => readClasses(classes));
}

async function readClasses(classes: Record<string, FolderClass>): Promise<Dataset> {
  if (typeof classes !== 'object' || (classes as unknown) === null) {
    throw invalid('folder', 'an object with one entry per class', classes);
  }
  const train: TrainItem[] = [];
  const test: TestItem[] = [];
  for (const [name, given] of Object.entries(classes)) {
    const folders = parse(folderClass, given, `folder.${name}`);
    const before = train.length + test.length;
    if (folders.train !== undefined) {
      const pictures = await picturesIn(folders.train, `training pictures of class "${name}"`);
      train.push(...pictures.map((image) => ({ image, class: name })));
    }
    if (folders.good !== undefined) {
      const pictures = await picturesIn(folders.good, `good test pictures of class "${name}"`);
      test.push(...pictures.map((image) => ({ image, class: name, label: 0 as const })));
    }
    if (folders.defective !== undefined) test.push(...(await defectiveItems(name, folders.defective, folders.masks)));
    if (train.length + test.length === before) {
      throw new DinomalyError(
        'ERR_DATASET',
        `Class "${name}" is empty: expected at least one of the folders train, good and defective.`,
      );
    }
  }
  return { classes: Object.keys(classes), train, test };
}

async function defectiveItems(name: string, defective: string, masksFolder?: string): Promise<TestItem[]> {
  const pictures = await picturesIn(defective, `defective test pictures of class "${name}"`);
  const masks = masksFolder === undefined ? [] : await masksOf(pictures, masksFolder);
  return pictures.map((image, i) => {
    const mask = masks[i];
    return { image, class: name, label: 1 as const, ...(mask === undefined ? {} : { mask }) };
  });
}
