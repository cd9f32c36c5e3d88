import type { Dataset, Dinomaly, TrainOptions, TrainProgress } from '../index';
import { withProgress } from './progress';

/** Trains, and shows how far it is. @returns the last iteration; undefined if a resumed run had none left */
export async function trainWithProgress(
  model: Dinomaly,
  dataset: Dataset,
  options: TrainOptions,
): Promise<TrainProgress | undefined> {
  let last: TrainProgress | undefined;
  await withProgress('Training', async (show) => {
    await model.train(dataset, {
      ...options,
      onProgress: (progress) => {
        last = progress;
        show(progress.iteration, progress.iterations, noteOf(progress));
      },
    });
    if (last) show(last.iteration, last.iterations, lossOf(last));
  });
  return last;
}

function noteOf(progress: TrainProgress): string {
  const { iteration, iterations, imagesPerSecond, secondsLeft } = progress;
  const rest =
    iteration < iterations
      ? `${imagesPerSecond.toFixed(1)} pictures/s, ${Math.ceil(secondsLeft)} s left`
      : "measuring the heat maps' scale";
  return `${lossOf(progress)}, ${rest}`;
}

function lossOf({ loss }: TrainProgress): string {
  return `loss ${loss.toFixed(4)}`;
}
