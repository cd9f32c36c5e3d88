import { createHash } from 'node:crypto';
import path from 'node:path';
import { orAborted } from '../abort';
import type { TrainingPicture } from '../addon';
import { checkTrainSet } from '../data/check';
import { DinomalyError } from '../errors';
import { readPicture } from '../image/prepare';
import { Limit } from '../limit';
import type { Network } from '../network';
import type { CheckedTrainOptions } from '../options';
import type { TrainItem, TrainSet } from '../types';
import { UnreadablePictures } from '../unreadable';
import { permutation } from './order';
import type { Batch, BatchSource } from './source';

/** Decoded training pictures in memory at once, beside those that are scored: a batch must not wait until all of them are. */
const picturesAtOnce = 8;

/** A digest of the pictures' classes and names in their order, wherever their folder lies now. */
function orderOf(items: TrainItem[]): string {
  const names = items.map(({ class: name, image }) => [name, typeof image === 'string' ? path.basename(image) : '']);
  return createHash('sha256').update(JSON.stringify(names)).digest('hex').slice(0, 16);
}

/** Shuffled epochs of a data set; the last incomplete batch of each is dropped (spec: released code). */
export class DatasetSource implements BatchSource {
  readonly identity: Record<string, unknown>;
  readonly #items: TrainItem[];
  readonly #unreadable: UnreadablePictures;
  readonly #reading = new Limit(picturesAtOnce);
  #iteration = 0;

  /** @param signal ends waiting for pictures, which may come from a slow disk */
  constructor(
    private readonly network: Network,
    data: TrainSet,
    private readonly options: CheckedTrainOptions,
    private readonly signal: AbortSignal,
  ) {
    const { batchSize, unreadable } = options;
    this.#items = checkTrainSet(data);
    this.identity = { batchSize, unreadable, pictures: this.#items.length, order: orderOf(this.#items) };
    this.#unreadable = new UnreadablePictures(unreadable);
    if (this.#items.length < batchSize) {
      throw new DinomalyError(
        'ERR_DATASET',
        `Expected at least batchSize = ${batchSize} training pictures, found ${this.#items.length}. ` +
          'Add pictures or lower batchSize.',
      );
    }
  }

  skip(iterations: number): Promise<void> {
    this.#iteration = iterations;
    return Promise.resolve();
  }

  async next(): Promise<Batch> {
    const { batchSize, seed } = this.options;
    const perEpoch = Math.floor(this.#items.length / batchSize);
    const epoch = Math.floor(this.#iteration / perEpoch);
    const start = (this.#iteration % perEpoch) * batchSize;
    this.#iteration++;
    return this.#read([...permutation(this.#items.length, seed, epoch).subarray(start, start + batchSize)]);
  }

  async *observed(): AsyncIterable<Batch> {
    const { batchSize } = this.options;
    const ids = this.#items.map((_, id) => id);
    for (let start = 0; start < ids.length; start += batchSize) {
      const pictures = await this.#readable(ids.slice(start, start + batchSize));
      if (pictures.length > 0) yield { pictures };
    }
  }

  close(): void {}

  async #read(ids: number[]): Promise<Batch> {
    const pictures = await this.#readable(ids);
    if (pictures.length > 0) return { pictures };
    throw new DinomalyError('ERR_IMAGE_UNREADABLE', `Expected a batch of ${ids.length} pictures, found none readable.`);
  }

  async #readable(ids: number[]): Promise<TrainingPicture[]> {
    const reading = ids.map((id) => this.#unreadable.orSkip(this.#items[id]!.image, () => this.#picture(id)));
    const pictures = await orAborted(Promise.all(reading), this.signal);
    return pictures.filter((picture) => picture !== undefined);
  }

  async #picture(id: number): Promise<TrainingPicture> {
    const { native, config } = this.network;
    if (native.hasFeatures(id)) return { id };
    return this.#reading.run(async () => {
      if (await native.readFeatures(id)) return { id };
      return { id, pixels: await readPicture(this.#items[id]!.image, config.image) };
    });
  }
}
