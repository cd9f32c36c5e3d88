import { z } from 'zod/v3';
import { newestOpset, oldestOpset } from './onnx/opsets';
import type { DownloadProgress, EvaluatedPicture, EvaluateProgress, TrainProgress } from './types';
import {
  boolean,
  callback,
  falseOrText,
  fields,
  integer,
  invalid,
  list,
  number,
  oneOf,
  parse,
  signal,
  text,
} from './validate';

const seed = integer(0, 2 ** 32 - 1);
const positive = number('a number above 0', (value) => value > 0);
const notNegative = number('a number of at least 0', (value) => value >= 0);
const rate = number('a number from 0 to 1', (value) => value >= 0 && value <= 1);
const unreadable = oneOf('stop', 'skip').default('stop');

const network = {
  image: fields({ resize: integer(1).optional(), crop: integer(1).optional() }).optional(),
  dropout: number('a number from 0 up to below 1', (value) => value >= 0 && value < 1).optional(),
  groups: list(list(integer(0))).optional(),
  decoderDepth: integer(1).optional(),
};

const runtime = {
  device: text.optional(),
  precision: text.optional(),
  threads: integer(1, 1024).optional(),
  deterministic: z.boolean().optional(),
  cuda: fields({ library: text.optional(), cublasLt: text.optional() }).optional(),
};

const createOptions = fields({
  encoder: z.unknown().optional(), // a name or a shape: see config.ts
  weights: text.optional(),
  seed: seed.default(1),
  onDownload: callback<(progress: DownloadProgress) => void>().optional(),
  signal: signal.optional(),
  ...network,
  ...runtime,
});

const loadOptions = fields({ encoder: z.unknown().optional(), ...network, ...runtime });

const trainOptions = fields({
  iterations: integer(1).default(10_000),
  batchSize: integer(1).default(16),
  learningRate: positive.default(2e-3),
  finalLearningRate: notNegative.default(2e-4),
  warmup: integer(0).default(100),
  discardRate: rate.default(0.9),
  discardWarmup: integer(0).default(1000),
  clipNorm: positive.default(0.1),
  weightDecay: notNegative.default(1e-4),
  seed: seed.default(1),
  signal: signal.optional(),
  onProgress: callback<(progress: TrainProgress) => void>().optional(),
  checkpoint: fields({ path: text, every: integer(1).default(500) }).optional(),
  resume: boolean.default(false),
  featureCache: fields({ memory: integer(0).optional(), file: falseOrText.optional() }).optional(),
  unreadable,
});

const heatmap = { heatmap: oneOf('png').optional(), heatmapMax: positive.optional() };

const scoreOptions = fields({ signal: signal.optional(), original: boolean.default(false), ...heatmap });

const inferOptions = fields({ signal: signal.optional() });

const evaluateOptions = fields({
  signal: signal.optional(),
  onProgress: callback<(progress: EvaluateProgress) => void>().optional(),
  onPicture: callback<(picture: EvaluatedPicture) => void | Promise<void>>().optional(),
  ...heatmap,
  unreadable,
});

const exportOptions = fields({
  opset: integer(oldestOpset, newestOpset).default(oldestOpset),
  dynamicBatch: boolean.default(false),
});

export type CheckedCreateOptions = z.output<typeof createOptions>;
export type CheckedLoadOptions = z.output<typeof loadOptions>;
export type CheckedTrainOptions = z.output<typeof trainOptions>;
export type CheckedScoreOptions = z.output<typeof scoreOptions>;
export type CheckedEvaluateOptions = z.output<typeof evaluateOptions>;

/** What the user gave for the network, before it is resolved. */
export type NetworkChoice = { encoder?: unknown } & Pick<
  z.output<typeof loadOptions>,
  'image' | 'dropout' | 'groups' | 'decoderDepth'
>;

export const checkCreateOptions = (options: object) => parse(createOptions, options, 'create');
export const checkLoadOptions = (options: object) => parse(loadOptions, options, 'load');
export const checkScoreOptions = (options: object) => parse(scoreOptions, options, 'score');
export const checkInferOptions = (options: object) => parse(inferOptions, options, 'infer');
export const checkExportOptions = (options: object) => parse(exportOptions, options, 'exportOnnx');
export const checkEvaluateOptions = (options: object) => parse(evaluateOptions, options, 'evaluate');

export function checkTrainOptions(options: object): CheckedTrainOptions {
  const checked = parse(trainOptions, options, 'train');
  if (checked.resume && !checked.checkpoint) throw invalid('train.checkpoint', '{ path } to resume from', undefined);
  return checked;
}
