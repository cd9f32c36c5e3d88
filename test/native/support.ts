import path from 'node:path';
import { types } from 'node:util';
import { addon, type CancelToken, type NativeConfig, type NativeModel, type StepOptions } from '../../lib/addon';

/** Pictures of this side go well with {@link config}. */
export const side = 56;

export const config: NativeConfig = {
  encoder: { dim: 32, heads: 2, depth: 4, patch: 14, grid: 5, registers: 1, layerScale: true, targets: [1, 2] },
  decoderDepth: 2,
  groups: [[0], [1]],
  dropout: 0.2,
  device: 'cpu',
  precision: 'f32',
  threads: 2,
};

/** A network whose steps take long enough to be interrupted. */
export const slowConfig: NativeConfig = {
  ...config,
  encoder: { ...config.encoder, dim: 384, heads: 6, depth: 8, targets: [4, 5, 6, 7] },
  decoderDepth: 4,
  groups: [
    [0, 1],
    [2, 3],
  ],
};

export const slowSide = 280;

export const stepOptions: StepOptions = {
  iteration: 1,
  iterations: 10,
  learningRate: 2e-3,
  finalLearningRate: 2e-4,
  warmup: 2,
  discardRate: 0.9,
  discardWarmup: 5,
  clipNorm: 0.1,
  weightDecay: 1e-4,
  seed: 1,
  report: true,
};

export function token(): CancelToken {
  return new (addon().CancelToken)();
}

export function picture(seed: number, of = side): Uint8Array {
  return Uint8Array.from({ length: of * of * 3 }, (_, i) => (i * (7 + seed) + ((i * i) >> 5)) % 256);
}

/** A model with random weights. */
export async function openModel(of = config): Promise<NativeModel> {
  const model = new (addon().Model)(of);
  await model.initialise('all', 1);
  return model;
}

/** The error that a promise rejects with or a function throws; fails the test if there is none. */
export async function errorOf(act: () => unknown): Promise<Error & { code?: string }> {
  try {
    await act();
  } catch (error) {
    expect(types.isNativeError(error)).toBe(true); // not instanceof: jest's Error is another than the addon's
    return error as Error & { code?: string };
  }
  throw new Error('Expected an error, found none');
}

/** The start of a script for another process or thread: `addon`, `config`, `side`, `token`, `picture`, `openModel`. */
export const prelude = `
  const addon = require('node-gyp-build')(${JSON.stringify(path.join(__dirname, '../..'))});
  const config = ${JSON.stringify(config)}, slowConfig = ${JSON.stringify(slowConfig)};
  const side = ${side}, slowSide = ${slowSide};
  const token = () => new addon.CancelToken();
  const picture = ${picture.toString()};
  const openModel = async (of = config) => {
    const model = new addon.Model(of);
    await model.initialise('all', 1);
    return model;
  };
`;
