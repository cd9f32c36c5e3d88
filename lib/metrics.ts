import { addon } from './addon';
import { DinomalyError } from './errors';

/** Numbers, or one list of them per picture; joined in order. */
export type Values = ArrayLike<number | boolean> | ArrayLike<number | boolean>[];

/**
 * Area under the ROC curve.
 *
 * @param labels above 0 or `true`: defective
 * @param scores as many; higher is more abnormal; compared as 32-bit floats, ties count half
 * @returns 0 to 1; NaN when all labels are alike
 * @throws ERR_INVALID_ARGUMENT when lengths differ or a score is NaN
 */
export async function auroc(labels: Values, scores: Values): Promise<number> {
  return (await ranking(labels, scores)).auroc;
}

/** Average precision, as scikit-learn's `average_precision_score`. Arguments, result and errors as in {@link auroc}. */
export async function averagePrecision(labels: Values, scores: Values): Promise<number> {
  return (await ranking(labels, scores)).ap;
}

/** The highest F1 over all thresholds. Arguments, result and errors as in {@link auroc}. */
export async function f1Max(labels: Values, scores: Values): Promise<number> {
  return (await ranking(labels, scores)).f1Max;
}

/**
 * Area under the per-region overlap curve up to a false positive rate of 0.3, normalised (8-connected regions, 200 or
 * 201 thresholds, as in Dinomaly's released code).
 *
 * @param masks all pictures' masks, row by row, above 0: defective; or one list per picture
 * @param maps the anomaly maps, in the same order
 * @param size width and height of one map
 * @returns 0 to 1; NaN when no pixel, or every pixel, is defective
 * @throws ERR_INVALID_ARGUMENT when lengths differ, no multiple of the size, or a value is NaN
 */
export async function aupro(masks: Values, maps: Values, size: { width: number; height: number }): Promise<number> {
  const [labels, values] = pair('masks', masks, 'maps', maps);
  const pixels = size.width * size.height;
  if (!Number.isSafeInteger(pixels) || pixels < 1 || values.length % pixels !== 0) {
    throw new DinomalyError(
      'ERR_INVALID_ARGUMENT',
      `maps: expected a multiple of width x height = ${size.width} x ${size.height} values, found ${values.length}.`,
    );
  }
  return addon().aupro(labels, values, size.width, size.height);
}

function ranking(labels: Values, scores: Values): Promise<{ auroc: number; ap: number; f1Max: number }> {
  return addon().rankingMetrics(...pair('labels', labels, 'scores', scores));
}

function pair(labelsName: string, labels: Values, scoresName: string, scores: Values): [Uint8Array, Float32Array] {
  const bytes = join(labels, (size) => new Uint8Array(size), (label) => (Number(label) > 0 ? 1 : 0));
  const floats = join(scores, (size) => new Float32Array(size), Number);
  if (bytes.length !== floats.length) {
    throw new DinomalyError(
      'ERR_INVALID_ARGUMENT',
      `${labelsName} and ${scoresName}: expected as many of one as of the other, ` +
        `found ${bytes.length} and ${floats.length}.`,
    );
  }
  const bad = floats.findIndex(Number.isNaN);
  if (bad >= 0) {
    throw new DinomalyError('ERR_INVALID_ARGUMENT', `${scoresName}: expected numbers, found NaN at ${bad}.`);
  }
  return [bytes, floats];
}

function join<T extends Uint8Array | Float32Array>(
  values: Values,
  make: (size: number) => T,
  convert: (value: number | boolean) => number,
): T {
  const parts = isNested(values) ? values : [values];
  const joined = make(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i++) joined[at++] = convert(part[i]!);
  }
  return joined;
}

function isNested(values: Values): values is ArrayLike<number | boolean>[] {
  return Array.isArray(values) && typeof values[0] === 'object';
}
