import { called } from './caller';
import { cancellable, follow, orAborted } from './abort';
import { DinomalyError } from './errors';
import { evaluate } from './evaluate';
import { metadataOf } from './modelFile';
import type { Network } from './network';
import { createNetwork, loadNetwork } from './open';
import {
  checkCreateOptions,
  checkEvaluateOptions,
  checkExportOptions,
  checkInferOptions,
  checkLoadOptions,
  checkScoreOptions,
  checkTrainOptions,
} from './options';
import { scoreAll, scoreOne } from './score';
import { checkPictures } from './tensor';
import type {
  Batches,
  CreateOptions,
  EvaluateOptions,
  Evaluation,
  ExportOptions,
  ImageInput,
  InferOptions,
  InferResult,
  LoadOptions,
  ModelConfig,
  ScoreOptions,
  ScoreResultOf,
  Tensor,
  TestSet,
  TrainOptions,
  TrainSet,
} from './types';
import { parse, text } from './validate';

/**
 * One network that finds what is abnormal in pictures of several products (Dinomaly, arXiv 2405.14325): a frozen DINOv2
 * encoder, and a bottleneck and decoder that learn to repeat the encoder's features of good parts. All heavy work runs
 * on a thread of the model's own, in the order of the calls.
 *
 * Every method rejects with a {@link DinomalyError}, but for an aborted call, which rejects with its signal's reason.
 */
export class Dinomaly {
  readonly #network: Network;
  /** Stops the training that is under way. */
  #training: AbortController | undefined;
  /** Settles when nothing of the last training is left; an aborted one ends behind what waits for the network. */
  #lastTraining: Promise<unknown> = Promise.resolve();
  /** Calls that are under way. */
  #calls = 0;
  #disposal: Promise<void> | undefined;

  private constructor(network: Network) {
    this.#network = network;
  }

  /**
   * Makes a new, untrained model. Without options: the encoder in this package, nothing is downloaded.
   *
   * @throws ERR_INVALID_ARGUMENT, ERR_DEVICE_UNAVAILABLE, ERR_HUB, ERR_FILE_NOT_FOUND, ERR_FILE_FORMAT,
   *   ERR_WEIGHTS_MISMATCH, ERR_OUT_OF_MEMORY
   */
  static create(options: CreateOptions = {}): Promise<Dinomaly> {
    return called(async () => new Dinomaly(await createNetwork(checkCreateOptions(options))));
  }

  /**
   * Opens a model: a file that {@link save} or a checkpoint wrote, or a released Dinomaly `model.pth`.
   *
   * @throws ERR_FILE_NOT_FOUND, ERR_FILE_FORMAT, ERR_WEIGHTS_MISMATCH, ERR_INVALID_ARGUMENT (also for what contradicts
   *   the file), ERR_DEVICE_UNAVAILABLE, ERR_OUT_OF_MEMORY
   */
  static load(path: string, options: LoadOptions = {}): Promise<Dinomaly> {
    return called(async () => {
      return new Dinomaly(await loadNetwork(parse(text, path, 'load.path'), checkLoadOptions(options)));
    });
  }

  /** What the model is; a copy. */
  get config(): ModelConfig {
    return structuredClone(this.#network.config);
  }

  /** Where it runs. */
  get device(): 'cpu' | `cuda:${number}` {
    return this.#network.device;
  }

  /**
   * Trains bottleneck and decoder on good pictures (paper, 3 and 4.1; schedules as released). A data set is shuffled
   * epoch by epoch, the last incomplete batch dropped. The encoder's features are kept: on a GPU while more than a third
   * of its memory is free; else, and on the CPU, in up to a quarter of the machine's memory, and on the CPU what is left
   * over in a file in the cache folder (see `FeatureCacheOptions`). Of an iterable every tensor is one batch. `score` works
   * meanwhile, with the weights of the moment.
   *
   * @throws ERR_DATASET, ERR_IMAGE_UNREADABLE, ERR_LOSS_NOT_FINITE, ERR_RESUME_MISMATCH, ERR_IO, ERR_BUSY (trained
   *   already), ERR_OUT_OF_MEMORY, ERR_INVALID_ARGUMENT, ERR_DISPOSED; what `onProgress` or the iterable throws. The
   *   model stays usable.
   */
  train(data: TrainSet | Batches, options: TrainOptions = {}): Promise<void> {
    return this.#call(async () => {
      const checked = checkTrainOptions(options);
      if (this.#training)
        throw new DinomalyError('ERR_BUSY', 'Expected a model that is not in training, found one that is.');
      const { controller, unlink } = follow(checked.signal);
      this.#training = controller;
      const { signal } = controller;
      // Here, since most programs only score.
      const { train } = require('./training/train') as typeof import('./training/train');
      const run = this.#lastTraining.then(() => train(this.#network, data, checked, signal));
      this.#lastTraining = run.catch(() => {});
      try {
        await orAborted(run, signal);
      } finally {
        unlink();
        this.#training = undefined;
      }
    });
  }

  /**
   * How abnormal a picture is, and where. Calls made at the same time go through the network together. On the CPU a
   * result never depends on what it was batched with. On a GPU it may, in its last bits, since products of other sizes
   * are added up in another order; `deterministic: true` scores pictures one by one.
   *
   * @returns for one picture one result, for an array an array in its order (of which one failure fails all)
   * @throws ERR_IMAGE_UNREADABLE, ERR_INVALID_ARGUMENT, ERR_OUT_OF_MEMORY, ERR_DISPOSED
   */
  score<const O extends ScoreOptions = object>(image: ImageInput, options?: O): Promise<ScoreResultOf<O>>;
  score<const O extends ScoreOptions = object>(images: ImageInput[], options?: O): Promise<ScoreResultOf<O>[]>;
  score(image: ImageInput | ImageInput[], options: ScoreOptions = {}): Promise<unknown> {
    return this.#call(async () => {
      const checked = checkScoreOptions(options);
      return Array.isArray(image) ? scoreAll(this.#network, image, checked) : scoreOne(this.#network, image, checked);
    });
  }

  /**
   * What the network makes of pictures that are normalised already (ImageNet's mean and deviation), of any size that
   * the patch divides.
   *
   * @param input (B,3,H,W)
   * @throws ERR_INVALID_ARGUMENT, ERR_OUT_OF_MEMORY, ERR_DISPOSED
   */
  infer(input: Tensor, options: InferOptions = {}): Promise<InferResult> {
    return this.#call(async () => {
      const { signal } = checkInferOptions(options);
      checkPictures(input, this.#network.config.encoder, 'infer');
      return cancellable(signal, (token) => this.#network.native.infer(input.data, input.shape, token));
    });
  }

  /**
   * Scores all test pictures and measures the seven metrics of the paper (4.1) in each class, and their mean.
   *
   * @throws ERR_DATASET (empty class, mask of another size), ERR_IMAGE_UNREADABLE, ERR_INVALID_ARGUMENT,
   *   ERR_OUT_OF_MEMORY, ERR_DISPOSED; what `onProgress` throws
   */
  evaluate(data: TestSet, options: EvaluateOptions = {}): Promise<Evaluation> {
    return this.#call(() => evaluate(this.#network, data, checkEvaluateOptions(options)));
  }

  /**
   * Writes one safetensors file with configuration and weights (float32), atomically: what was there stays whole until
   * the new file is.
   *
   * @throws ERR_IO, ERR_INVALID_ARGUMENT, ERR_DISPOSED
   */
  save(path: string): Promise<void> {
    return this.#call(async () => {
      const { native, config } = this.#network;
      await native.save(parse(text, path, 'save.path'), metadataOf(config), false);
    });
  }

  /**
   * Writes the network as one ONNX file, atomically: from `pictures` (B,3,crop,crop), normalised as for {@link infer},
   * to `map` (B,1,256,256) and `score` (B), both float32. Blocks that no score depends on are left out.
   *
   * @throws ERR_IO, ERR_INVALID_ARGUMENT (also for a network of 2 GiB or more), ERR_OUT_OF_MEMORY, ERR_DISPOSED
   */
  exportOnnx(path: string, options: ExportOptions = {}): Promise<void> {
    return this.#call(async () => {
      const file = parse(text, path, 'exportOnnx.path');
      const settings = checkExportOptions(options);
      const { native, config } = this.#network;
      // Here, since few programs export, and all would wait for protobuf.
      const { exportOnnx } = require('./onnx/export') as typeof import('./onnx/export');
      await exportOnnx(file, config, await native.stateDict(), settings, () => {
        if (this.#disposal) throw disposedError();
      });
    });
  }

  /** All parameters, copied, by their released names: `encoder.blocks.0...`, `bottleneck.0.fc1.weight`, `decoder.0...`. */
  stateDict(): Promise<Record<string, Tensor>> {
    return this.#call(() => this.#network.native.stateDict());
  }

  /** Stops what is under way (it rejects with ERR_DISPOSED) and frees the model's memory and thread. Twice is once. */
  dispose(): Promise<void> {
    return (this.#disposal ??= this.#end());
  }

  /** {@link dispose}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #end(): Promise<void> {
    const { native, tuning } = this.#network;
    this.#training?.abort(disposedError());
    if (this.#calls === 0) await tuning.keep(); // else it would wait for what is to be stopped
    await native.dispose();
    await tuning.settled();
  }

  #call<T>(run: () => Promise<T>): Promise<T> {
    return called(async () => {
      if (this.#disposal) throw disposedError();
      this.#calls++;
      try {
        const result = await run();
        this.#network.tuning.worked();
        return result;
      } finally {
        this.#calls--;
      }
    });
  }
}

function disposedError(): DinomalyError {
  return new DinomalyError('ERR_DISPOSED', 'Expected a model in use, found one that was disposed of. Make a new one.');
}
