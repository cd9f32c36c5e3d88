import { onAbort } from '../abort';
import { addon } from '../addon';
import { defaultHeatmapMax } from '../config';
import { DinomalyError } from '../errors';
import type { Network } from '../network';
import type { CheckedTrainOptions } from '../options';
import type { Batches, TrainSet } from '../types';
import { Checkpoint } from './checkpoint';
import { DatasetSource } from './datasetSource';
import { featureRoom } from './featureRoom';
import { IterableSource } from './iterableSource';
import { Pace } from './pace';
import { type Batch, type BatchSource, imagesOf } from './source';

/** Steps whose result nobody asked for go by without waiting for the device; but one in so many is looked at. */
const reportEvery = 50;

/** Jobs in the network's queue: one that runs and one that waits, so that its thread never waits for the event loop. */
const jobsInFlight = 2;

/** Trains the network; see `Dinomaly.train`. The signal stops it and becomes its error. */
export async function train(
  network: Network,
  data: TrainSet | Batches,
  options: CheckedTrainOptions,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const source = isBatches(data)
    ? new IterableSource(network, data, signal)
    : new DatasetSource(network, data, options, signal);
  const run = new TrainingRun(network, source, options, signal);
  try {
    await run.go();
  } finally {
    source.close();
  }
}

function isBatches(data: TrainSet | Batches): data is Batches {
  return Symbol.iterator in Object(data) || Symbol.asyncIterator in Object(data);
}

class TrainingRun {
  readonly #cancel = new (addon().CancelToken)();
  readonly #pace = new Pace(performance.now());
  readonly #checkpoint: Checkpoint | undefined;
  #jobs: Promise<void>[] = [];

  constructor(
    private readonly network: Network,
    private readonly source: BatchSource,
    private readonly options: CheckedTrainOptions,
    private readonly signal: AbortSignal,
  ) {
    const { checkpoint } = options;
    this.#checkpoint = checkpoint && new Checkpoint(network, checkpoint.path, options, source);
  }

  async go(): Promise<void> {
    const { native, config, device } = this.network;
    const { batchSize, featureCache } = this.options;
    const room = await featureRoom(featureCache ?? {}, device);
    const unlink = onAbort(this.signal, () => this.#cancel.cancel());
    await native.beginTraining({ side: config.image.crop, batchSize, ...room });
    try {
      const start = this.options.resume ? await this.#checkpoint!.resume() : 0;
      await this.source.skip(start);
      const done = await this.#iterate(start);
      await this.#measureMaps();
      await this.#checkpoint?.save(done);
    } catch (error) {
      this.#cancel.cancel();
      throw this.signal.aborted ? this.signal.reason : error;
    } finally {
      unlink();
      await Promise.allSettled(this.#jobs);
      await native.endTraining();
    }
  }

  /** @returns how many iterations are done */
  async #iterate(start: number): Promise<number> {
    const { iterations, checkpoint } = this.options;
    let done = start;
    let next = this.#prefetch(done);
    while (done < iterations) {
      const batch = await next;
      if (!batch) break;
      this.signal.throwIfAborted();
      await this.#enqueue(this.#step(batch, ++done));
      next = this.#prefetch(done);
      if (checkpoint && done % checkpoint.every === 0) {
        await this.#drain(); // a checkpoint must not say that a failed step was done
        await this.#checkpoint!.save(done);
      }
    }
    await this.#drain();
    if (done === 0) throw new DinomalyError('ERR_DATASET', 'Expected batches to train on, found an empty iterable.');
    return done;
  }

  /** Begins to make the next batch while the network still works on others. */
  #prefetch(done: number): Promise<Batch | undefined> {
    const next = done < this.options.iterations ? this.source.next() : Promise.resolve(undefined);
    next.catch(() => {}); // reported when it is awaited, if the run gets that far
    return next;
  }

  async #step(batch: Batch, iteration: number): Promise<void> {
    const { iterations, onProgress } = this.options;
    const report = onProgress !== undefined || iteration % reportEvery === 0;
    const step = { ...this.options, iteration: iteration - 1, report };
    const result = await this.network.native.trainStep(batch, step, this.#cancel);
    this.network.config = { ...this.network.config, trained: true, heatmapMax: defaultHeatmapMax };
    if (!result || this.signal.aborted) return; // then the caller has been told already
    const { loss, gradientNorm, learningRate } = result;
    const { imagesPerSecond, secondsPerIteration } = this.#pace.add(imagesOf(batch), performance.now());
    const secondsLeft = secondsPerIteration * (iterations - iteration);
    onProgress?.({ iteration, iterations, loss, gradientNorm, learningRate, imagesPerSecond, secondsLeft });
  }

  async #measureMaps(): Promise<void> {
    const { native } = this.network;
    for await (const batch of this.source.observed()) await this.#enqueue(native.observe(batch, this.#cancel));
    await this.#drain();
    const measured = await native.heatmapMax();
    // Nothing but zeros (identical pictures of one colour) gives no scale.
    if (measured > 0) this.network.config = { ...this.network.config, heatmapMax: measured };
  }

  /** Waits until the queue has room for the next job. */
  async #enqueue(job: Promise<void>): Promise<void> {
    job.catch(() => {}); // reported when it is awaited
    this.#jobs.push(job);
    while (this.#jobs.length >= jobsInFlight) await this.#jobs.shift();
  }

  async #drain(): Promise<void> {
    while (this.#jobs.length > 0) await this.#jobs.shift();
  }
}
