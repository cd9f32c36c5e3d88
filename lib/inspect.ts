import { stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import nodeGypBuild from 'node-gyp-build';
import { addon } from './addon';
import { inspectCuda, surroundings, type CudaReport } from './device';
import { DinomalyError } from './errors';
import { configOf } from './modelFile';
import type { ModelConfig } from './types';
import { parse, text } from './validate';
import { inferNetwork, openWeights, type InferredNetwork } from './weights';

/** What computes here. */
export interface MachineReport {
  /** The addon's file. */
  addon: string;
  node: string;
  /** Operating system and processor, such as `linux-x64`. */
  platform: string;
  /** What `device: 'auto'` takes. */
  device: 'cpu' | `cuda:${number}`;
  /** NVIDIA GPUs that are present. */
  gpus: string[];
  /** What was looked for to compute on them, what was found, and what is taken. */
  cuda: CudaReport;
  /** Threads a model takes when none are asked for. */
  threads: number;
  /** The processor's instructions that matter here: `x86-64`, `avx2` or `avx512`. */
  isa: string;
  /** Version of oneDNN, which multiplies the matrices inside linear attention, and those of bytes. */
  oneDNN: string;
  /** Folder of downloaded encoders; null: the user has no home folder that it could be in. */
  hubCache: string | null;
}

/** A tensor of a file, by the file's own name. */
export interface TensorReport {
  name: string;
  dtype: string;
  shape: number[];
}

/** What a weights file holds. */
export interface FileReport {
  path: string;
  bytes: number;
  /** Whole models of this project, checkpoints among them; null for files of others. */
  config: ModelConfig | null;
  /** The network that a file of others holds, told by its shapes (heads and targets as released); null if there is none. */
  inferred: InferredNetwork | null;
  /** Why no network is told; null if one is. */
  problem: string | null;
  tensors: TensorReport[];
  /** Names whose values cannot be had, with the reason. */
  unusable: Record<string, string>;
}

/**
 * What computes here, and where downloads go. Libraries of CUDA kernels are looked for and tested anew, which takes
 * seconds where there are GPUs.
 *
 * @throws ERR_ADDON
 */
export async function machine(): Promise<MachineReport> {
  const { isa, oneDNN, gpus } = addon().info();
  const cuda = await inspectCuda(surroundings());
  return {
    addon: nodeGypBuild.resolve(path.join(__dirname, '..')),
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    device: (gpus.length > 0 && cuda.device) || 'cpu',
    gpus,
    cuda,
    threads: os.availableParallelism(),
    isa,
    oneDNN,
    hubCache: await hubCache(),
  };
}

async function hubCache(): Promise<string | null> {
  try {
    return (await import('@huggingface/hub')).getHFHubCachePath();
  } catch {
    return null;
  }
}

/**
 * What a weights file holds: names, shapes and the configuration; its numbers are not read. Every file that `create` or
 * `load` takes, and any other safetensors file or PyTorch checkpoint.
 *
 * @throws ERR_FILE_NOT_FOUND, ERR_FILE_FORMAT, ERR_INVALID_ARGUMENT
 */
export async function file(weights: string): Promise<FileReport> {
  const opened = await openWeights(parse(text, weights, 'inspect.file'));
  const report = {
    path: weights,
    bytes: (await stat(weights)).size,
    tensors: [...opened.tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
    unusable: Object.fromEntries(opened.unusable),
  };
  try {
    const config = configOf(opened) ?? null;
    return { ...report, config, inferred: config ? null : inferNetwork(opened), problem: null };
  } catch (error) {
    if (!(error instanceof DinomalyError) || error.code !== 'ERR_WEIGHTS_MISMATCH') throw error;
    return { ...report, config: null, inferred: null, problem: error.message };
  }
}
