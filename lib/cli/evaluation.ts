import type { Dataset, Dinomaly, EvaluateOptions, Evaluation } from '../index';
import { withProgress } from './progress';

/** Evaluates, and shows how far it is. */
export function evaluateWithProgress(model: Dinomaly, dataset: Dataset, options: EvaluateOptions): Promise<Evaluation> {
  return withProgress('Evaluating', (show) =>
    model.evaluate(dataset, { ...options, onProgress: ({ done, total }) => show(done, total) }),
  );
}
