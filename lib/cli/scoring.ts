import path from 'node:path';
import { type Dinomaly, DinomalyError } from '../index';
import { saveFile } from './output';
import { withProgress } from './progress';

/** Pictures whose results are in memory at once. */
const chunk = 16;

export interface ScoredPicture {
  path: string;
  score: number;
  /** Where its heat map was written. */
  heatmap?: string;
}

export interface ScorePicturesOptions {
  signal: AbortSignal;
  /** Folder for heat maps. */
  heatmaps?: string;
  heatmapMax?: number;
  /** Warn of pictures that cannot be decoded and leave them out, instead of stopping at the first. */
  skipUnreadable?: boolean;
}

/** Scores pictures in their order, writes their heat maps if asked to, and shows how far it is. */
export function scorePictures(
  model: Dinomaly,
  pictures: string[],
  options: ScorePicturesOptions,
): Promise<ScoredPicture[]> {
  const base = commonFolder(pictures);
  return withProgress('Scoring', async (show) => {
    const results: ScoredPicture[] = [];
    let done = 0;
    for (let start = 0; start < pictures.length; start += chunk) {
      const scored = await Promise.all(
        pictures.slice(start, start + chunk).map(async (picture) => {
          const result = await scorePicture(model, picture, base, options);
          show(++done, pictures.length);
          return result;
        }),
      );
      results.push(...scored.filter((result) => result !== undefined));
    }
    return results;
  });
}

async function scorePicture(
  model: Dinomaly,
  picture: string,
  base: string,
  { signal, heatmaps, heatmapMax, skipUnreadable }: ScorePicturesOptions,
): Promise<ScoredPicture | undefined> {
  try {
    if (heatmaps === undefined) return { path: picture, score: (await model.score(picture, { signal })).score };
    const scale = heatmapMax === undefined ? {} : { heatmapMax };
    const { score, heatmap: png } = await model.score(picture, { signal, heatmap: 'png', ...scale });
    // The picture's name as it is, so that a.jpg and a.png do not meet.
    const heatmap = path.join(heatmaps, `${path.relative(base, path.resolve(picture))}.png`);
    await saveFile(heatmap, png);
    return { path: picture, score, heatmap };
  } catch (error) {
    if (!skipUnreadable || !(error instanceof DinomalyError) || error.code !== 'ERR_IMAGE_UNREADABLE') throw error;
    console.error(`Left out: ${error.message}`);
    return undefined;
  }
}

/** The deepest folder that holds all files: heat maps lie in theirs as the pictures do in this one. */
function commonFolder(files: string[]): string {
  const [first = [], ...others] = files.map((file) => path.dirname(path.resolve(file)).split(path.sep));
  const length = first.findIndex((part, i) => others.some((other) => other[i] !== part));
  return first.slice(0, length < 0 ? first.length : length).join(path.sep) || path.sep;
}
