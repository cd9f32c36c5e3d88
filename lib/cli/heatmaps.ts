import path from 'node:path';
import { saveFile } from './output';

/** A folder of heat maps, which lie in it as their pictures do in the deepest folder that holds them all. */
export class HeatmapFolder {
  readonly #base: string;

  constructor(
    private readonly folder: string,
    pictures: string[],
  ) {
    this.#base = commonFolder(pictures);
  }

  /** Writes the heat map of one of the pictures. @returns its path @throws ERR_IO */
  async save(picture: string, png: Buffer): Promise<string> {
    // The picture's name as it is, so that a.jpg and a.png do not meet.
    const file = path.join(this.folder, `${path.relative(this.#base, path.resolve(picture))}.png`);
    await saveFile(file, png);
    return file;
  }
}

function commonFolder(files: string[]): string {
  const [first = [], ...others] = files.map((file) => path.dirname(path.resolve(file)).split(path.sep));
  const length = first.findIndex((part, i) => others.some((other) => other[i] !== part));
  return first.slice(0, length < 0 ? first.length : length).join(path.sep) || path.sep;
}
