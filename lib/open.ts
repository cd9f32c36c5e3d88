import os from 'node:os';
import path from 'node:path';
import { addon, type NativeDevice, type NativeModel } from './addon';
import { embeddedEncoder, encoders } from './encoders';
import { partialShape, resolveConfig, resolveEncoder } from './config';
import { keepsNothing, recallTuning, resolveRuntime, tuningKeeper } from './device';
import { DinomalyError } from './errors';
import { Limit } from './limit';
import { configOf, loadEncoder, loadModel } from './modelFile';
import type { Network } from './network';
import type { CheckedCreateOptions, CheckedLoadOptions } from './options';
import type { EncoderName, ModelConfig } from './types';
import { invalid } from './validate';
import { inferNetwork, openWeights, type WeightsFile } from './weights';

/** DINOv2 ViT-S/14, beside this package's code; its origin and licence lie next to it. */
const embeddedWeights = path.join(__dirname, '..', 'models', 'dinov2_vits14.safetensors');

/** Decoded pictures a model holds in memory at once: twice what the network takes together. */
const picturesAtOnce = { cpu: 16, cuda: 256 };

/** A new network: encoder as asked for, bottleneck and decoder random. */
export async function createNetwork(options: CheckedCreateOptions): Promise<Network> {
  const runtime = await resolveRuntime(options);
  const { name, shape } = resolveEncoder(options.encoder);
  const config = resolveConfig(shape, options);
  const weights = await weightsPath(name, options);
  const file = weights === undefined ? undefined : await openWeights(weights);
  return start(config, runtime, async (native) => {
    await native.initialise(file ? 'trainable' : 'all', options.seed);
    if (file) await loadEncoder(native, file);
  });
}

/** A network with all of its weights from a file. */
export async function loadNetwork(file: string, options: CheckedLoadOptions): Promise<Network> {
  const runtime = await resolveRuntime(options);
  const weights = await openWeights(file);
  const stored = configOf(weights);
  if (stored) checkAgreement(stored, options, file);
  const config = stored ?? releasedConfig(weights, options);
  return start(config, runtime, (native) => loadModel(native, weights));
}

async function start(
  config: ModelConfig,
  runtime: NativeDevice,
  fill: (native: NativeModel) => Promise<void>,
): Promise<Network> {
  const { encoder, decoderDepth, groups, dropout } = config;
  const measures = runtime.device === 'cuda' && runtime.measure;
  checkMemory(config);
  const native = new (addon().Model)({ encoder, decoderDepth, groups, dropout, ...runtime });
  try {
    await native.load([]); // a job like others, done once the network is built: parameters() would block until then
    if (measures) await recallTuning(native);
    await fill(native);
  } catch (error) {
    await native.dispose();
    throw error;
  }
  const device = runtime.device === 'cpu' ? 'cpu' : (`cuda:${runtime.ordinal}` as const);
  const tuning = measures ? tuningKeeper(native) : keepsNothing;
  return { native, config, device, tuning, pictures: new Limit(picturesAtOnce[runtime.device]) };
}

/** Refuses a network that this machine cannot hold: Linux would promise the memory and end the process later. */
function checkMemory({ encoder, decoderDepth }: ModelConfig): void {
  const { dim, depth, grid } = encoder;
  const matrices = 12 * dim * dim * (depth + decoderDepth) + 8 * dim * dim; // blocks and bottleneck
  const needed = 4 * (matrices + grid * grid * dim);
  if (needed <= os.totalmem()) return;
  const [expected, found] = [os.totalmem(), needed].map((bytes) => `${(bytes / 2 ** 30).toFixed(1)} GiB`);
  throw new DinomalyError(
    'ERR_OUT_OF_MEMORY',
    `Expected a network whose weights fit this machine's memory (${expected}), found one that needs ${found}: ` +
      `dim ${dim}, depth ${depth}, decoderDepth ${decoderDepth}.`,
  );
}

/** Where the encoder's weights lie; undefined: random. */
async function weightsPath(name: EncoderName | undefined, options: CheckedCreateOptions): Promise<string | undefined> {
  const { weights = name === undefined ? 'random' : name === embeddedEncoder ? embeddedWeights : 'hub' } = options;
  if (weights === 'random') return undefined;
  if (weights !== 'hub') return weights;
  if (name === undefined) throw invalid('create.weights', "a path or 'random', as the encoder is a shape", weights);
  const { onDownload, signal } = options;
  // Here, since few programs download.
  const { fetchFromHub } = require('./weights/hub') as typeof import('./weights/hub');
  return fetchFromHub(encoders[name].repository, {
    ...(onDownload && { onProgress: (received: number, total: number) => onDownload({ received, total }) }),
    ...(signal && { signal }),
  });
}

/** The configuration of a released model: what its tensors tell, what the user says, else the release's defaults. */
function releasedConfig(file: WeightsFile, options: CheckedLoadOptions): ModelConfig {
  const { decoderDepth, ...shape } = inferNetwork(file);
  if (decoderDepth === 0) {
    throw new DinomalyError(
      'ERR_WEIGHTS_MISMATCH',
      `${file.path}: expected a whole model, found an encoder without a decoder. ` +
        'Give it to Dinomaly.create as weights instead of loading it.',
    );
  }
  const choice = { ...options, decoderDepth: options.decoderDepth ?? decoderDepth };
  return { ...resolveConfig({ ...shape, ...partialShape(options.encoder) }, choice), trained: true };
}

/** A file of this project tells everything; what was said besides must be the same. */
function checkAgreement(stored: ModelConfig, options: CheckedLoadOptions, file: string): void {
  const { image, dropout, groups, decoderDepth } = options;
  const said = { ...partialShape(options.encoder), ...image, dropout, groups, decoderDepth };
  const known: Record<string, unknown> = { ...stored.encoder, ...stored.image, ...stored };
  for (const [field, value] of Object.entries(said)) {
    if (value === undefined || JSON.stringify(value) === JSON.stringify(known[field])) continue;
    throw invalid(`load.${field}`, `what ${file} says, ${JSON.stringify(known[field])} (or nothing)`, value);
  }
}
