import type { TrainingPicture } from '../addon';
import type { Tensor } from '../types';

/** What one iteration trains on, as the addon takes it. */
export type Batch = { pictures: TrainingPicture[] } | Tensor;

/** Where a run's batches come from. */
export interface BatchSource {
  /** What of it the result depends on: a resumed run must be given the same. */
  readonly identity: Record<string, unknown>;
  /** Makes `batch` go on after this many iterations. */
  skip(iterations: number): Promise<void>;
  /** The next iteration's batch; undefined when the data have ended. */
  next(): Promise<Batch | undefined>;
  /** The batches that `heatmapMax` is measured on. */
  observed(): Iterable<Batch> | AsyncIterable<Batch>;
  /** The run needs no more batches. */
  close(): void;
}

export function imagesOf(batch: Batch): number {
  return 'pictures' in batch ? batch.pictures.length : batch.shape[0]!;
}
