import { type Dinomaly, DinomalyError } from '../index';
import { HeatmapFolder } from './heatmaps';
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
  const folder = options.heatmaps === undefined ? undefined : new HeatmapFolder(options.heatmaps, pictures);
  return withProgress('Scoring', async (show) => {
    const results: ScoredPicture[] = [];
    let done = 0;
    for (let start = 0; start < pictures.length; start += chunk) {
      const scored = await Promise.all(
        pictures.slice(start, start + chunk).map(async (picture) => {
          const result = await scorePicture(model, picture, folder, options);
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
  folder: HeatmapFolder | undefined,
  { signal, heatmapMax, skipUnreadable }: ScorePicturesOptions,
): Promise<ScoredPicture | undefined> {
  try {
    if (!folder) return { path: picture, score: (await model.score(picture, { signal })).score };
    const scale = heatmapMax === undefined ? {} : { heatmapMax };
    const { score, heatmap: png } = await model.score(picture, { signal, heatmap: 'png', ...scale });
    return { path: picture, score, heatmap: await folder.save(picture, png) };
  } catch (error) {
    if (!skipUnreadable || !(error instanceof DinomalyError) || error.code !== 'ERR_IMAGE_UNREADABLE') throw error;
    console.error(`Left out: ${error.message}`);
    return undefined;
  }
}
