import { addon } from './addon';
import { called } from './caller';
import { DinomalyError } from './errors';
import type { Metrics } from './types';
import { fields, integer, invalid, parse } from './validate';

const mapSize = fields({ width: integer(1), height: integer(1) });

/** Width and height of one map, in pixels. */
export interface MapSize {
  width: number;
  height: number;
}

/** Numbers, or one list of them per picture; joined in order. */
export type Values = ArrayLike<number | boolean> | ArrayLike<number | boolean>[];

/**
 * Area under the ROC curve.
 *
 * @param labels above 0 or `true`: defective
 * @param scores as many; higher is more abnormal; compared as 32-bit floats, ties count half
 * @returns 0 to 1; NaN when all labels are alike
 * @throws ERR_INVALID_ARGUMENT when lengths differ or a score is not finite
 */
export function auroc(labels: Values, scores: Values): Promise<number> {
  return called(async () => (await imageMetrics(labels, scores)).auroc);
}

/** Average precision, as scikit-learn's `average_precision_score`. Arguments, result and errors as in {@link auroc}. */
export function averagePrecision(labels: Values, scores: Values): Promise<number> {
  return called(async () => (await imageMetrics(labels, scores)).ap);
}

/** The highest F1 over all thresholds. Arguments, result and errors as in {@link auroc}. */
export function f1Max(labels: Values, scores: Values): Promise<number> {
  return called(async () => (await imageMetrics(labels, scores)).f1Max);
}

/**
 * Area under the per-region overlap curve up to a false positive rate of 0.3, normalised (8-connected regions, 200 or
 * 201 thresholds, as in Dinomaly's released code).
 *
 * @param masks all pictures' masks, row by row, above 0: defective; or one list per picture
 * @param maps the anomaly maps, in the same order
 * @param size width and height of one map
 * @returns 0 to 1; NaN when no pixel, or every pixel, is defective, or no threshold has a rate of false positives between 0
 *   and 0.3
 * @throws ERR_INVALID_ARGUMENT when lengths differ, no multiple of the size, or a value is not finite
 */
export function aupro(masks: Values, maps: Values, size: MapSize): Promise<number> {
  return called(async () => (await pixelMetrics(masks, maps, size)).aupro);
}

/** The three above in one: of pictures, or of anything else with labels and scores. Arguments and errors as in {@link auroc}. */
export function image(labels: Values, scores: Values): Promise<Metrics['image']> {
  return called(() => imageMetrics(labels, scores));
}

/** All four of the maps' pixels, which are sorted but once. Arguments and errors as in {@link aupro}. */
export function pixel(masks: Values, maps: Values, size: MapSize): Promise<Metrics['pixel']> {
  return called(() => pixelMetrics(masks, maps, size));
}

async function imageMetrics(labels: Values, scores: Values): Promise<Metrics['image']> {
  return addon().rankingMetrics(...pair('labels', labels, 'scores', scores));
}

async function pixelMetrics(masks: Values, maps: Values, size: MapSize): Promise<Metrics['pixel']> {
  const { width, height } = parse(mapSize, size, 'size');
  const [labels, values] = pair('masks', masks, 'maps', maps);
  if (values.length % (width * height) !== 0) {
    throw new DinomalyError(
      'ERR_INVALID_ARGUMENT',
      `maps: expected a multiple of width x height = ${width} x ${height} values, found ${values.length}.`,
    );
  }
  return addon().pixelMetrics(labels, values, width, height);
}

function pair(labelsName: string, labels: Values, scoresName: string, scores: Values): [Uint8Array, Float32Array] {
  const bytes = toLabels(labelsName, labels);
  const floats = toFloats(scoresName, scores);
  if (bytes.length !== floats.length) {
    throw new DinomalyError(
      'ERR_INVALID_ARGUMENT',
      `${labelsName} and ${scoresName}: expected as many of one as of the other, ` +
        `found ${bytes.length} and ${floats.length}.`,
    );
  }
  return [bytes, floats];
}

/** Always a copy: native code reads it on another thread, where the caller's own could be transferred away. */
function toLabels(name: string, values: Values): Uint8Array {
  if (values instanceof Uint8Array) return new Uint8Array(values);
  const { parts, length } = partsOf(name, values);
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i++) joined[at++] = Number(part[i]) > 0 ? 1 : 0;
  }
  return joined;
}

/** As {@link toLabels}. */
function toFloats(name: string, values: Values): Float32Array {
  if (values instanceof Float32Array) return new Float32Array(values);
  const { parts, length } = partsOf(name, values);
  const joined = new Float32Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part as ArrayLike<number>, at); // true becomes 1
    at += part.length;
  }
  return joined;
}

function partsOf(name: string, values: Values): { parts: ArrayLike<number | boolean>[]; length: number } {
  const parts = isNested(values) ? values : [values];
  for (const part of parts) {
    if (!isList(part)) throw invalid(name, 'an array of numbers, or one such array per picture', part);
  }
  return { parts, length: parts.reduce((sum, part) => sum + part.length, 0) };
}

function isList(values: unknown): boolean {
  return typeof values === 'object' && values !== null && 'length' in values;
}

function isNested(values: Values): values is ArrayLike<number | boolean>[] {
  return Array.isArray(values) && typeof values[0] === 'object';
}
