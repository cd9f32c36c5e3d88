import { orAborted } from '../abort';
import { DinomalyError } from '../errors';
import { checkPictures } from '../tensor';
import type { Batches, Tensor } from '../types';
import type { Network } from '../network';
import type { Batch, BatchSource } from './source';

/** Batches that the user makes, in their order. */
export class IterableSource implements BatchSource {
  readonly identity = { iterable: true };
  readonly #iterator: Iterator<Tensor> | AsyncIterator<Tensor>;
  #last: Tensor | undefined;
  #ended = false;

  /** @param signal ends waiting for a batch that does not come */
  constructor(
    private readonly network: Network,
    data: Batches,
    private readonly signal: AbortSignal,
  ) {
    this.#iterator = Symbol.asyncIterator in data ? data[Symbol.asyncIterator]() : data[Symbol.iterator]();
  }

  async skip(iterations: number): Promise<void> {
    for (let i = 0; i < iterations; i++) {
      if (await this.next()) continue;
      throw new DinomalyError(
        'ERR_DATASET',
        `resume: expected the iterable from its start, with the ${iterations} batches that were consumed already, ` +
          `found ${i}.`,
      );
    }
  }

  async next(): Promise<Batch | undefined> {
    const result = await orAborted(Promise.resolve(this.#iterator.next()), this.signal);
    if (result.done) {
      this.#ended = true;
      return undefined;
    }
    checkPictures(result.value, this.network.config.encoder, 'batch');
    return (this.#last = result.value);
  }

  *observed(): Iterable<Batch> {
    if (this.#last) yield this.#last;
  }

  close(): void {
    if (this.#ended) return;
    // Not waited for: a generator that hangs would hang the end of training. What its clean-up throws is nobody's.
    (async () => this.#iterator.return?.())().catch(() => {});
  }
}
