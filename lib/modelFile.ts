import type { NativeModel } from './addon';
import { parseConfig } from './config';
import { DinomalyError } from './errors';
import type { ModelConfig } from './types';
import { inferNetwork, matchWeights, type WeightsFile } from './weights';

/** Marks this project's own safetensors files, in `__metadata__`. */
const format = 'dinomaly';
const version = '1';

/** `__metadata__` of a model's file. Nothing of when, where or by whom: the same model gives the same bytes. */
export function metadataOf(config: ModelConfig): Record<string, string> {
  return { format, version, config: JSON.stringify(config) };
}

/**
 * The configuration in a file of this project; undefined for files of others.
 *
 * @throws ERR_FILE_FORMAT for a newer version or a damaged configuration, ERR_WEIGHTS_MISMATCH where tensors contradict it
 */
export function configOf(file: WeightsFile): ModelConfig | undefined {
  if (file.metadata.get('format') !== format) return undefined;
  if (file.metadata.get('version') !== version) {
    throw new DinomalyError(
      'ERR_FILE_FORMAT',
      `${file.path}: expected version ${version} of the ${format} format, found ${file.metadata.get('version')}. ` +
        'It was written by a newer release of this package.',
    );
  }
  const config = parseConfig(file.metadata.get('config') ?? '', file.path);
  // Checked before a network of that size is made: the tensors are at most as large as the file.
  const inferred = inferNetwork(file);
  for (const field of ['dim', 'depth', 'patch', 'grid', 'registers', 'layerScale'] as const) {
    if (config.encoder[field] !== inferred[field])
      throw contradiction(file, field, config.encoder[field], inferred[field]);
  }
  if (config.decoderDepth !== inferred.decoderDepth) {
    throw contradiction(file, 'decoderDepth', config.decoderDepth, inferred.decoderDepth);
  }
  return config;
}

function contradiction(file: WeightsFile, field: string, said: unknown, found: unknown): DinomalyError {
  return new DinomalyError(
    'ERR_WEIGHTS_MISMATCH',
    `${file.path}: expected tensors of a network with ${field} ${String(said)}, as its configuration says, ` +
      `found ${String(found)}.`,
  );
}

/** Fills the network with a model file's weights. */
export async function loadModel(native: NativeModel, file: WeightsFile): Promise<void> {
  await native.load(matchWeights(file, native.parameters()));
}

/** Fills the encoder with a file's weights; whatever else it holds is left aside. */
export async function loadEncoder(native: NativeModel, file: WeightsFile): Promise<void> {
  await native.load(
    matchWeights(
      file,
      native.parameters().filter(({ name }) => name.startsWith('encoder.')),
    ),
  );
}

/** Fills network and optimiser with a checkpoint's numbers. */
export async function loadCheckpoint(native: NativeModel, file: WeightsFile): Promise<void> {
  const parameters = native.parameters();
  const state = ['exp_avg', 'exp_avg_sq', 'max_exp_avg_sq'].flatMap((which) =>
    parameters
      .filter(({ trainable }) => trainable)
      .map(({ name, shape }) => ({ name: `optimizer.${which}.${name}`, shape })),
  );
  await native.load(matchWeights(file, [...parameters, ...state]));
}
