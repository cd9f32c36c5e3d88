import path from 'node:path';
import nodeGypBuild from 'node-gyp-build';
import { DinomalyError } from './errors';
import type { Metrics } from './types';

/** Where a tensor's numbers lie: parts are concatenated along the first axis (Hugging Face keeps q, k and v apart). */
export interface TensorSource {
  /** The released name: `encoder.blocks.0.attn.qkv.weight`, `bottleneck.0.fc1.weight`, `optimizer.exp_avg.<name>`. */
  name: string;
  shape: number[];
  parts: { path: string; offset: number; byteLength: number; dtype: 'F32' | 'F16' | 'BF16' }[];
}

/** Where a model computes. */
export type NativeDevice =
  | { device: 'cpu'; precision: 'f32' | 'int8'; /** 0: as many as the machine has cores. */ threads: number }
  | {
      device: 'cuda';
      /** Path of the library of CUDA kernels. */
      library: string;
      /** Path; null: by its name, as the system's loader finds it. */
      cublasLt: string | null;
      /** The GPU's number, as CUDA counts those that are visible. */
      ordinal: number;
      precision: 'f32' | 'tf32' | 'bf16';
      /** Whether cuBLASLt's algorithms may be chosen by timing them. */
      measure: boolean;
      threads: number;
    };

/** A GPU as a library of CUDA kernels sees it. */
export interface CudaDevice {
  name: string;
  /** Compute capability, such as `9.0`. */
  capability: string;
  /** Multiprocessors. */
  processors: number;
  memoryBytes: number;
  freeBytes: number;
  /** Whether the library holds code for it. */
  usable: boolean;
}

/** What a library of CUDA kernels finds on this machine. Versions as CUDA writes them (12040 is 12.4); 0: none. */
export interface DeviceReport {
  /** How well it serves: 0 not at all, else the newer its toolkit the more. */
  score: number;
  /** That it was built with. */
  toolkit: number;
  /** The newest CUDA that the driver supports. */
  driver: number;
  /** 120402 is 12.4.2. */
  cublasLt: number;
  /** The file that was opened. */
  cublasLtPath: string;
  devices: CudaDevice[];
  /** Why nothing can be computed; empty where something can. */
  problem: string;
}

export type NativeConfig = NativeNetwork & NativeDevice;

interface NativeNetwork {
  encoder: {
    dim: number;
    heads: number;
    depth: number;
    patch: number;
    grid: number;
    registers: number;
    layerScale: boolean;
    targets: number[];
  };
  decoderDepth: number;
  groups: number[][];
  dropout: number;
}

export interface NativeTensor {
  data: Float32Array;
  shape: number[];
}

/** One picture of a data set in training: `pixels` (crop x crop RGB) may be absent when its features are kept. */
export interface TrainingPicture {
  id: number;
  pixels?: Uint8Array;
}

export interface StepOptions {
  /** Counted from 0. */
  iteration: number;
  iterations: number;
  learningRate: number;
  finalLearningRate: number;
  warmup: number;
  discardRate: number;
  discardWarmup: number;
  clipNorm: number;
  weightDecay: number;
  /** Keys dropout's random numbers, with the iteration. */
  seed: number;
  /** Whether the step's result is wanted, for which a device has to be waited. */
  report: boolean;
}

/** Where encoder features of training pictures may be kept beside the device. */
export interface FeatureRoom {
  cacheBytes: number;
  cacheFolder?: string | undefined;
}

export interface CancelToken {
  cancel(): void;
}

/**
 * A network on a thread of its own. Every method that returns a promise is a job; jobs run in the order of their calls,
 * neighbouring `score` jobs together. A cancelled job rejects with `code: 'ERR_CANCELLED'`.
 */
export interface NativeModel {
  /** Reads tensors from files. Names and shapes were checked before; all of the network's, or the optimiser's too. */
  load(sources: TensorSource[]): Promise<void>;
  /** Draws weights: of the whole network, or of bottleneck and decoder alone (native/model/parameters.h). */
  initialise(what: 'all' | 'trainable', seed: number): Promise<void>;
  /** Names and shapes of all parameters, in the released order. */
  parameters(): { name: string; shape: number[]; trainable: boolean }[];
  /** Normalised (B,3,H,W) in. `maps` (B,256,256). The input is copied before the call returns. */
  infer(
    data: Float32Array,
    shape: number[],
    cancel: CancelToken,
  ): Promise<{ encoder: NativeTensor[]; decoder: NativeTensor[]; maps: NativeTensor; scores: Float32Array }>;
  /** One picture, `side` x `side` RGB bytes; map 256 x 256. */
  score(pixels: Uint8Array, side: number, cancel: CancelToken): Promise<{ score: number; map: Float32Array }>;
  /**
   * Starts or ends a training run: makes optimiser state and feature cache (at most `cacheBytes`, and what is left over in
   * a file in `cacheFolder`, if given), or frees both. `batchSize`: of pictures of a data set, so many of which a device
   * encodes at once.
   */
  beginTraining(options: { side: number; batchSize: number } & FeatureRoom): Promise<void>;
  endTraining(): Promise<void>;
  /** Whether the encoder features of this picture are in memory, so that no further step needs pixels of it. */
  hasFeatures(id: number): boolean;
  /**
   * Brings them from the file into memory, for one step: false where they are not in it or were lost, and pixels are
   * needed.
   */
  readFeatures(id: number): Promise<boolean>;
  /**
   * One iteration. Not finite: rejects with ERR_LOSS_NOT_FINITE and leaves the weights as they were; without `report`,
   * a later step that reports, `observe`, `heatmapMax` or `save` rejects.
   */
  trainStep(
    batch: { pictures: TrainingPicture[] } | { data: Float32Array; shape: number[] },
    options: StepOptions,
    cancel: CancelToken,
  ): Promise<{ loss: number; gradientNorm: number; learningRate: number } | undefined>;
  /** Adds a training picture's (or batch's) maps to the quantile that heatmapMax comes from. */
  observe(
    batch: { pictures: TrainingPicture[] } | { data: Float32Array; shape: number[] },
    cancel: CancelToken,
  ): Promise<void>;
  /** Twice the 99.9th percentile (linear interpolation, as numpy.percentile) of all observed maps; forgets them. */
  heatmapMax(): Promise<number>;
  /** Writes a safetensors file atomically: temporary file, fsync, rename. `metadata` becomes `__metadata__`. */
  save(path: string, metadata: Record<string, string>, optimizer: boolean): Promise<void>;
  /** What was measured of the device, to be kept and given to other models on it; empty: nothing. */
  tuning(): Promise<string>;
  /** Rejects with ERR_FILE_FORMAT for what `tuning` cannot have given. */
  addTuning(text: string): Promise<void>;
  stateDict(): Promise<Record<string, NativeTensor>>;
  /** Cancels what is running, rejects what waits with ERR_DISPOSED, ends the thread. Twice is once. */
  dispose(): Promise<void>;
}

export interface Addon {
  Model: new (config: NativeConfig) => NativeModel;
  CancelToken: new () => CancelToken;
  /** ISA of the processor and versions of what is linked, for `dinomaly inspect`. */
  info(): { isa: string; threads: number; oneDNN: string; gpus: string[] };
  /**
   * Loads a library of CUDA kernels into this process, with a cuBLASLt (null: by its name), and lets it look round. It may
   * crash or hang, and leaves a context on each GPU: for processes that were started for it.
   */
  deviceReport(library: string, cublasLt: string | null): DeviceReport;
  /** From now on this process is killed when the thread that started it ends. */
  endWithParent(): void;
  /** Pillow's bilinear resize of an RGB picture to resize x resize, then the centre crop. crop*crop*3 bytes. */
  prepareImage(pixels: Uint8Array, width: number, height: number, resize: number, crop: number): Promise<Uint8Array>;
  /**
   * Frees the memory of an array that nobody needs any more, and leaves it empty: the garbage collector, which sees small
   * objects, would come for it after dozens of pictures. An array that shares its memory with others stays as it is.
   */
  release(pixels: Uint8Array): void;
  /** A mode-L mask, resized and cropped as pictures are, then nearest to 256x256: 1 where above 0. */
  prepareMask(pixels: Uint8Array, width: number, height: number, resize: number, crop: number): Promise<Uint8Array>;
  /** The 256x256 map in the picture's own pixels; NaN where the crop cut it off. */
  mapToOriginal(map: Float32Array, width: number, height: number, resize: number, crop: number): Promise<Float32Array>;
  /** The RGB picture with the map (in its own pixels, from mapToOriginal) over it. width*height*3 bytes. */
  renderHeatmap(pixels: Uint8Array, map: Float32Array, width: number, height: number, max: number): Promise<Uint8Array>;
  /** AUROC, AP and F1-max from one sort; NaN where undefined. */
  rankingMetrics(labels: Uint8Array, scores: Float32Array): Promise<Metrics['image']>;
  /** The same of the maps' pixels, and AUPRO, from one sort. */
  pixelMetrics(masks: Uint8Array, maps: Float32Array, width: number, height: number): Promise<Metrics['pixel']>;
}

function load(): Addon {
  const root = path.join(__dirname, '..');
  try {
    return nodeGypBuild(root) as Addon;
  } catch (cause) {
    throw new DinomalyError(
      'ERR_ADDON',
      `The native addon could not be loaded. Expected a binary for ${process.platform}-${process.arch} ` +
        `(node ${process.versions.node}) in ${path.join(root, 'prebuilds')} or ${path.join(root, 'build')}. ` +
        `Found: ${(cause as Error).message}. In a checkout, run "npm run build"; installed from npm, this platform may ` +
        'not be supported (see "Limits" in the README).',
      { cause },
    );
  }
}

let loaded: Addon | undefined;

/** The addon, loaded on first use. */
export function addon(): Addon {
  return (loaded ??= load());
}
