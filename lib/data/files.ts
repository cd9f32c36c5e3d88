import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { DinomalyError } from '../errors';

const pictureEndings = new Set(['.jpg', '.jpeg', '.png', '.webp', '.tif', '.tiff', '.gif', '.avif']);

/** Names in a folder of one kind, `2.png` before `10.png`; throws ERR_FILE_NOT_FOUND. */
async function names(folder: string, what: string, kind: 'folders' | 'pictures'): Promise<string[]> {
  let entries;
  try {
    entries = await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    throw new DinomalyError(
      'ERR_FILE_NOT_FOUND',
      `Expected ${what} in the folder ${folder}, found no readable folder there (${(cause as Error).message}).`,
      { cause },
    );
  }
  const byNaturalOrder = new Intl.Collator('en', { numeric: true }).compare; // here: the first one takes milliseconds
  return entries
    .filter((entry) =>
      kind === 'folders'
        ? !entry.isFile() && !entry.name.startsWith('.')
        : !entry.isDirectory() && pictureEndings.has(path.extname(entry.name).toLowerCase()),
    )
    .map((entry) => entry.name)
    .sort((a, b) => byNaturalOrder(a, b) || (a < b ? -1 : 1));
}

/** Names of the folders in a folder, in natural order. */
export function foldersIn(folder: string, what: string): Promise<string[]> {
  return names(folder, what, 'folders');
}

/** Paths of the pictures in a folder, in natural order; throws ERR_DATASET when there are none. */
export async function picturesIn(folder: string, what: string): Promise<string[]> {
  const found = await names(folder, what, 'pictures');
  if (found.length === 0) {
    throw new DinomalyError(
      'ERR_DATASET',
      `Expected ${what} in ${folder}, found no picture there (${[...pictureEndings].join(', ')}).`,
    );
  }
  return found.map((name) => path.join(folder, name));
}

/** The mask of each picture, in a folder of its own: `<name>_mask.png` or `<name>.png`. ERR_DATASET names what lacks. */
export async function masksOf(pictures: string[], folder: string): Promise<string[]> {
  const byStem = new Map((await names(folder, 'masks', 'pictures')).map((name) => [path.parse(name).name, name]));
  return pictures.map((picture) => {
    const stem = path.parse(picture).name;
    const mask = byStem.get(`${stem}_mask`) ?? byStem.get(stem);
    if (mask === undefined) {
      throw new DinomalyError(
        'ERR_DATASET',
        `The defective picture ${picture} has no mask: expected ${stem}_mask.png or ${stem}.png in ${folder}.`,
      );
    }
    return path.join(folder, mask);
  });
}
