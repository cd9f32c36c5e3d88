/**
 * Everything the public API takes and returns. "Paper" is Dinomaly, arXiv 2405.14325; where the authors' released code
 * differs from it, the default is the code's, which made the published numbers.
 */

/** Numbers in row-major order. */
export interface Tensor {
  data: Float32Array;
  shape: number[];
}

/** Pixels as they lie in memory: rows from the top, channels interleaved, 8 bits each. Alpha is dropped, grey repeated. */
export interface RawImage {
  data: Uint8Array;
  width: number;
  height: number;
  channels: 1 | 3 | 4;
}

/** A path, an encoded file's bytes (JPEG, PNG, WebP, TIFF, GIF, AVIF), or raw pixels. See `lib/image/decode.ts`. */
export type ImageInput = string | Uint8Array | RawImage;

/** Known encoders: DINOv2 with four registers, and without. */
export type EncoderName =
  | 'dinov2reg_vit_small_14'
  | 'dinov2reg_vit_base_14'
  | 'dinov2reg_vit_large_14'
  | 'dinov2_vit_small_14'
  | 'dinov2_vit_base_14'
  | 'dinov2_vit_large_14';

/** A vision transformer by its sizes. */
export interface EncoderShape {
  /** Channels of a token; divisible by `heads`. */
  dim: number;
  /** Attention heads. */
  heads: number;
  /** Blocks. Those after the last target are never run. */
  depth: number;
  /** Side of a patch in pixels. Default 14. */
  patch?: number;
  /** Side of the stored position embedding in patches. Default 37 (518 pixels). */
  grid?: number;
  /** Register tokens. Default 0. */
  registers?: number;
  /** Blocks whose outputs are compared, counted from 0, ascending. Default 2 to 9 (paper, 3.1). */
  targets?: number[];
  /** Whether blocks scale their branches (DINOv2 does). Default true. */
  layerScale?: boolean;
}

/** Sides in pixels: a picture is resized to `resize` x `resize`, its aspect not kept, then `crop` x `crop` is cut out. */
export interface ImageSize {
  /** Default 448 (paper, 4.1). */
  resize: number;
  /** Divisible by the patch, at most `resize`. Default 392 (paper, 4.1). */
  crop: number;
}

/**
 * In what matrix products are computed, and with `'bf16'` what activations are kept in; sums, weights and the optimiser's
 * state are float32 in all of them. `'int8'`, the CPU's alone, rounds the factors of linear layers to 8 bits where nothing is
 * trained by them: weights with a scale for each output, activations with one for each token; their sums are exact, and all
 * else is float32, as is everything that `train` computes behind the frozen encoder.
 */
export type Precision = 'f32' | 'tf32' | 'bf16' | 'int8';

/** Names what is else searched for, to compute on a GPU. */
export interface CudaOptions {
  /** Path of the library of CUDA kernels. Default: `DINOMALY_CUDA_LIBRARY`, else the best of those in this package. */
  library?: string | undefined;
  /** Path of NVIDIA's cuBLASLt. Default: `DINOMALY_CUBLASLT`, else the places that the README lists. */
  cublasLt?: string | undefined;
}

/** Where the network runs, and how. */
export interface RuntimeOptions {
  /**
   * Default `'auto'`: a GPU that can be computed on, else the CPU, with one warning if there is a GPU that cannot.
   * `'cuda'` is the first GPU that can, `'cuda:N'` the one with that number among those that `CUDA_VISIBLE_DEVICES` lets
   * CUDA see (where it hides all, `'auto'` is the CPU); both throw ERR_DEVICE_UNAVAILABLE, saying what was looked for, where there is none.
   */
  device?: 'auto' | 'cpu' | 'cuda' | `cuda:${number}`;
  /**
   * Default `'bf16'` on GPUs of compute capability 8.0 and newer, which have `'tf32'` too; `'f32'` on others and on the CPU.
   * The CPU alone has `'int8'`, and with it `device: 'auto'` is the CPU. One that the device has not throws
   * ERR_DEVICE_UNAVAILABLE.
   */
  precision?: Precision;
  /** Where the search for CUDA's libraries is to end at once. Default: it is made. */
  cuda?: CudaOptions;
  /**
   * Default false: a GPU's algorithms for matrix products are timed where they are first needed, and kept in the cache
   * folder and in checkpoints; another process may then choose others and differ in last bits. True: nothing is timed,
   * nothing that was timed is read from the cache folder, and pictures are scored one by one: the same GPU, driver, library
   * and cuBLASLt give the same bits. The CPU always does.
   */
  deterministic?: boolean;
  /** Threads of this model's computations. Default: as many as the machine has cores. Results do not depend on it. */
  threads?: number;
}

/** What a network is made of. */
export interface NetworkOptions {
  /** Sides of resized and cropped pictures. Default 448 and 392 (paper, 4.1). */
  image?: Partial<ImageSize>;
  /** Rate of the noisy bottleneck, from 0 up to below 1. Default 0.2 (paper, 3.2; 0.4 for Real-IAD and Uni-Medical). */
  dropout?: number;
  /**
   * Loose constraint: indices into the targets, averaged group by group. The same indices go into the reversed decoder
   * outputs. Default: two halves, `[[0,1,2,3],[4,5,6,7]]` for eight targets (paper, 3.4).
   */
  groups?: number[][];
  /** Decoder blocks: as many as the encoder has targets, which is the default (8; paper, 4.1). */
  decoderDepth?: number;
}

/** A download so far, in bytes. */
export interface DownloadProgress {
  received: number;
  total: number;
}

/** Options of `Dinomaly.create`. */
export interface CreateOptions extends NetworkOptions, RuntimeOptions {
  /**
   * A known name or a shape. Default `'dinov2_vit_small_14'`, whose weights lie in this package. The paper's default is
   * `'dinov2reg_vit_base_14'`.
   */
  encoder?: EncoderName | EncoderShape;
  /**
   * The encoder's weights: a path (safetensors, or PyTorch's `.pth`), `'hub'` (Hugging Face; default of a name) or
   * `'random'` (drawn from `seed`; default of a shape). `dinov2_vit_small_14` defaults to the file in this package.
   */
  weights?: string;
  /** Draws bottleneck and decoder, and the encoder where its weights are `'random'`. 0 to 2^32 - 1. Default 1. */
  seed?: number;
  /** Called while `'hub'` weights are fetched; not when they are in the cache. */
  onDownload?: (progress: DownloadProgress) => void;
  /** Stops a download. */
  signal?: AbortSignal;
}

/**
 * Options of `Dinomaly.load`. A file of this package tells everything but {@link RuntimeOptions}: what is given besides
 * must agree with it. A released `model.pth` does not tell `heads`, `targets`, `groups`, `image` and `dropout`.
 */
export interface LoadOptions extends NetworkOptions, RuntimeOptions {
  /** A known name, or what the file cannot tell. Default: the release's (64 channels a head; targets by size). */
  encoder?: EncoderName | Partial<EncoderShape>;
}

/** What a model is: everything needed to make it again, but for its weights. */
export interface ModelConfig {
  encoder: Required<EncoderShape>;
  image: ImageSize;
  dropout: number;
  groups: number[][];
  decoderDepth: number;
  /** Whether bottleneck and decoder are trained: by at least one iteration here, or loaded from a trained file. */
  trained: boolean;
  /**
   * Map value that heat maps show as their hottest: twice the 99.9th percentile over the training pictures' maps (from
   * an iterable: over its last batch). 0.5 where no training ended: untrained, aborted, or a released file.
   */
  heatmapMax: number;
}

/** A picture to train on: of a good part. */
export interface TrainItem {
  image: ImageInput;
  class: string;
}

/** A picture to evaluate on. */
export interface TestItem {
  image: ImageInput;
  class: string;
  /** 0: good, 1: defective. */
  label: 0 | 1;
  /** Of the picture's own size; above 0: defective. A good picture needs none. */
  mask?: ImageInput;
}

/** Pictures of one or several classes; one model is trained for all. */
export interface Dataset {
  classes: string[];
  train: TrainItem[];
  test: TestItem[];
}

/** What `train` needs of a {@link Dataset}. */
export type TrainSet = Pick<Dataset, 'train'> & Partial<Dataset>;

/** What `evaluate` needs of a {@link Dataset}. */
export type TestSet = Pick<Dataset, 'test'> & Partial<Dataset>;

/** Normalised batches (B,3,H,W), H and W divisible by the patch, each one iteration. */
export type Batches = Iterable<Tensor> | AsyncIterable<Tensor>;

/** What is done with a picture that cannot be decoded: ERR_IMAGE_UNREADABLE, or a warning and on without it. */
export type Unreadable = 'stop' | 'skip';

/** One finished iteration. */
export interface TrainProgress {
  /** How many iterations are done: 1 to `iterations`. */
  iteration: number;
  iterations: number;
  loss: number;
  /** Global L2 norm of the gradients before clipping. */
  gradientNorm: number;
  learningRate: number;
  imagesPerSecond: number;
  /** Estimate for the iterations left. */
  secondsLeft: number;
}

/**
 * Where `train` keeps what the encoder, which does not learn, makes of a data set's pictures, so that it looks at each
 * once: 4 bytes x (patches x (groups + 1) + 1 + registers) x `dim` a picture, half of it with `'bf16'`. On a GPU they stay
 * there while more than a third of its memory is free. Pictures that there is no room for are encoded anew each time, with
 * the same result.
 */
export interface FeatureCacheOptions {
  /** Bytes of the host's memory, from 0. Default: a quarter of the machine's. */
  memory?: number;
  /**
   * A folder for a file of what memory has no room for, or `false`: none. The file has no name there, ends with the run or
   * the process, and takes at most half of the free space. Where it cannot be made, written or read, things go on without
   * it. Default: on the CPU the cache folder (`dinomaly-native` in `XDG_CACHE_HOME`, else in `~/.cache`), which is made; on
   * a GPU `false`, since it may encode faster than a disk reads.
   */
  file?: string | false;
}

/** Options of `train`; the defaults are those of the paper's MVTec-AD and VisA runs (4.1). */
export interface TrainOptions {
  /** Length of the run and of the learning rate's schedule. Default 10000. */
  iterations?: number;
  /** Pictures an iteration; of no meaning to an iterable. Default 16. */
  batchSize?: number;
  /** After warm-up. Default 2e-3. */
  learningRate?: number;
  /** Where the cosine schedule ends. Default 2e-4. */
  finalLearningRate?: number;
  /** Iterations of linear warm-up from 0. Default 100. */
  warmup?: number;
  /** Final share of easy patches whose gradient is made small, 0 to 1 (paper, 3.4). Default 0.9. */
  discardRate?: number;
  /** Iterations until `discardRate` is reached. Default 1000 (the paper says 500, the released code has 1000). */
  discardWarmup?: number;
  /** Largest global gradient norm. Default 0.1. */
  clipNorm?: number;
  /** Default 1e-4. */
  weightDecay?: number;
  /** Of dropout and of the order of pictures. 0 to 2^32 - 1. Default 1. */
  seed?: number;
  /** Stops within one iteration; `train` rejects with its reason and the model stays usable. */
  signal?: AbortSignal;
  /** Called once per iteration, in order, always before `train` resolves. */
  onProgress?: (progress: TrainProgress) => void;
  /**
   * Writes `path` atomically every `every` iterations (default 500) and when the run ends. `Dinomaly.load` reads it too.
   */
  checkpoint?: { path: string; every?: number };
  /**
   * Goes on from `checkpoint.path` if that exists, and ends with the same bytes as a run that was never stopped (on a GPU
   * with `deterministic: true`). All options that matter to them must be as they were (ERR_RESUME_MISMATCH), and an
   * iterable is given from its start. Default false.
   */
  resume?: boolean;
  /** Bounds what is kept to encode each picture once; of no meaning to an iterable. Default: see its fields. */
  featureCache?: FeatureCacheOptions;
  /** Default `'stop'`. */
  unreadable?: Unreadable;
}

/** Options of `score`. */
export interface ScoreOptions {
  signal?: AbortSignal;
  /** Adds `original`. Default false. */
  original?: boolean;
  /** Adds `heatmap`. */
  heatmap?: 'png';
  /** Map value shown as hottest. Default `config.heatmapMax`. */
  heatmapMax?: number;
}

/** An anomaly map: one cosine distance a pixel, 0 to 2, higher is more abnormal. */
export interface AnomalyMap {
  data: Float32Array;
  width: number;
  height: number;
}

/** What `score` finds in a picture. */
export interface ScoreResult {
  /** Mean of the highest hundredth of `map` (655 pixels). */
  score: number;
  /** Always 256 x 256, over the crop. */
  map: AnomalyMap;
}

/** With `original: true`. */
export interface WithOriginal {
  /** The map in the picture's own pixels, orientation applied; NaN where the crop cut the picture off. */
  original: AnomalyMap;
}

/** With `heatmap: 'png'`. */
export interface WithHeatmap {
  /** A PNG of the picture's own size with the map over it; nothing lies over what was cut off. */
  heatmap: Buffer;
}

/** The result that these options ask for. */
export type ScoreResultOf<O extends ScoreOptions> = ScoreResult &
  (O extends { original: true } ? WithOriginal : unknown) &
  (O extends { heatmap: 'png' } ? WithHeatmap : unknown);

/** Options of `infer`. */
export interface InferOptions {
  signal?: AbortSignal;
}

/** What `infer` returns for B pictures of P patches, D channels. */
export interface InferResult {
  /** One (B,P,D) a group: patches only. */
  encoder: Tensor[];
  /** One (B,P,D) a group: patches only. */
  decoder: Tensor[];
  /** (B,256,256) */
  maps: Tensor;
  /** (B) */
  scores: Float32Array;
}

/** Options of `exportOnnx`. */
export interface ExportOptions {
  /** Version of ONNX's operators, 17 to 26. Default 17, which the most runtimes take. */
  opset?: number;
  /** Whether the file takes any number of pictures at a time, or one. Default false: one. */
  dynamicBatch?: boolean;
}

/** Scored pictures so far. */
export interface EvaluateProgress {
  done: number;
  total: number;
}

/** What `evaluate` found in one picture. */
export interface EvaluatedPicture {
  item: TestItem;
  score: number;
  /** 256x256, over the crop. */
  map: AnomalyMap;
  /** If asked for: PNG, the picture with the map over it. */
  heatmap?: Buffer;
}

/** Options of `evaluate`. */
export interface EvaluateOptions {
  signal?: AbortSignal;
  onProgress?: (progress: EvaluateProgress) => void;
  /** Given every picture's result as it comes, in no fixed order; waited for if it is asynchronous. */
  onPicture?: (picture: EvaluatedPicture) => void | Promise<void>;
  /** Draw heat maps for `onPicture`, as in `score`. Default: none. */
  heatmap?: 'png';
  /** Default `config.heatmapMax`. */
  heatmapMax?: number;
  /** Default `'stop'`. */
  unreadable?: Unreadable;
}

/** The seven metrics, 0 to 1. NaN (null in JSON) where undefined: one label only, no defects, or no masks of them. */
export interface Metrics {
  image: { auroc: number; ap: number; f1Max: number };
  pixel: { auroc: number; ap: number; f1Max: number; aupro: number };
}

/** What `evaluate` returns. */
export interface Evaluation {
  classes: Record<string, Metrics>;
  /** Over classes; a NaN is left out. */
  mean: Metrics;
}
