import type { Dataset, Dinomaly, EvaluateOptions, Evaluation, TestItem } from '../index';
import { HeatmapFolder } from './heatmaps';
import { withProgress } from './progress';

/** A test picture with what was found in it. */
export interface EvaluatedFile {
  item: TestItem;
  score: number;
  /** Where its heat map was written. */
  heatmap: string;
}

/** {@link evaluateWithProgress}, and writes all pictures' heat maps into a folder. Pictures come in their order. */
export async function evaluateWithHeatmaps(
  model: Dinomaly,
  dataset: Dataset,
  heatmaps: string,
  options: EvaluateOptions,
): Promise<{ evaluation: Evaluation; pictures: EvaluatedFile[] }> {
  const folder = new HeatmapFolder(heatmaps, dataset.test.map(pathOf));
  const found = new Map<TestItem, EvaluatedFile>();
  const evaluation = await evaluateWithProgress(model, dataset, {
    ...options,
    heatmap: 'png',
    onPicture: async ({ item, score, heatmap }) => {
      found.set(item, { item, score, heatmap: await folder.save(pathOf(item), heatmap!) });
    },
  });
  return { evaluation, pictures: dataset.test.flatMap((item) => found.get(item) ?? []) };
}

/** Data sets on disk name their pictures by path. */
function pathOf({ image }: TestItem): string {
  return image as string;
}

/** Evaluates, and shows how far it is. */
export function evaluateWithProgress(model: Dinomaly, dataset: Dataset, options: EvaluateOptions): Promise<Evaluation> {
  return withProgress('Evaluating', (show) =>
    model.evaluate(dataset, { ...options, onProgress: ({ done, total }) => show(done, total) }),
  );
}
