import { setImmediate } from 'node:timers/promises';
import { addon, type CancelToken } from './addon';
import { cancellable, follow } from './abort';
import { checkTestSet } from './data/check';
import { DinomalyError } from './errors';
import { decodeRgb } from './image/decode';
import { readMask } from './image/prepare';
import type { Network } from './network';
import type { CheckedEvaluateOptions } from './options';
import { mapSide, scorePixels } from './score';
import type { Evaluation, Metrics, TestItem, TestSet } from './types';
import { UnreadablePictures } from './unreadable';

const mapSize = mapSide * mapSide;

/** Scores all test pictures, class by class, and measures; see `Dinomaly.evaluate`. */
export async function evaluate(network: Network, data: TestSet, options: CheckedEvaluateOptions): Promise<Evaluation> {
  const byClass = checkTestSet(data);
  const total = data.test.length;
  const unreadable = new UnreadablePictures(options.unreadable);
  const measured: [string, Metrics][] = [];
  let done = 0;
  const { controller, unlink } = follow(options.signal);
  const scoreClass = async (items: TestItem[], results: ClassResults, token: CancelToken): Promise<void> => {
    const score = async (item: TestItem, index: number): Promise<void> => {
      controller.signal.throwIfAborted();
      await unreadable.orSkip(item.image, () => results.add(network, item, index, token));
      options.onProgress?.({ done: ++done, total });
    };
    await Promise.all(items.map((item, index) => network.pictures.run(() => score(item, index))));
  };
  try {
    for (const [name, items] of byClass) {
      const metrics = await cancellable(controller.signal, async (token) => {
        const results = new ClassResults(name, items, options);
        await scoreClass(items, results, token);
        return results.metrics();
      });
      measured.push([name, metrics]);
    }
    // Not by assignment: a class may be called __proto__.
    return { classes: Object.fromEntries(measured), mean: meanOf(measured.map(([, metrics]) => metrics)) };
  } catch (error) {
    controller.abort(error); // ends the pictures that wait
    throw error;
  } finally {
    unlink();
  }
}

/** Scores and maps of one class, each written to its place as it comes, so that no long copy holds up the event loop. */
class ClassResults {
  /** Pixel metrics are undefined when it is unknown where a defect lies. */
  readonly #hasMasks: boolean;
  readonly #maps: Float32Array;
  readonly #masks: Uint8Array;
  readonly #scores: Float32Array;
  readonly #scored: boolean[];

  constructor(
    private readonly name: string,
    private readonly items: TestItem[],
    private readonly options: CheckedEvaluateOptions,
  ) {
    this.#hasMasks = items.every(({ label, mask }) => label === 0 || mask !== undefined);
    const pixels = this.#hasMasks ? items.length * mapSize : 0;
    try {
      this.#maps = new Float32Array(pixels);
      this.#masks = new Uint8Array(pixels);
    } catch (cause) {
      const message =
        `Class "${name}": expected memory for the maps and masks of ${items.length} pictures ` +
        `(${((5 * pixels) / 2 ** 30).toFixed(1)} GiB), found too little. Evaluate fewer at a time.`;
      throw new DinomalyError('ERR_OUT_OF_MEMORY', message, { cause });
    }
    this.#scores = new Float32Array(items.length);
    this.#scored = items.map(() => false);
  }

  async add(network: Network, item: TestItem, index: number, token: CancelToken): Promise<void> {
    const { image, label, mask } = item;
    const picture = await decodeRgb(image);
    if (this.#hasMasks && label === 1) {
      this.#masks.set(await readMask(mask!, picture, network.config.image), index * mapSize);
    }
    const result = await scorePixels(network, picture, this.options, token);
    if (this.#hasMasks) this.#maps.set(result.map.data, index * mapSize);
    this.#scores[index] = result.score;
    this.#scored[index] = true;
    await this.options.onPicture?.({ item, ...result });
  }

  async metrics(): Promise<Metrics> {
    const kept = await this.#pack();
    if (kept.length === 0) {
      throw new DinomalyError(
        'ERR_DATASET',
        `Class "${this.name}": expected test pictures, found none that can be read.`,
      );
    }
    const labels = Uint8Array.from(kept, ({ label }) => label);
    const image = await addon().rankingMetrics(labels, this.#scores.subarray(0, kept.length));
    if (!this.#hasMasks) return { image, pixel: { auroc: NaN, ap: NaN, f1Max: NaN, aupro: NaN } };
    const maps = this.#maps.subarray(0, kept.length * mapSize);
    const masks = this.#masks.subarray(0, kept.length * mapSize);
    return { image, pixel: await addon().pixelMetrics(masks, maps, mapSide, mapSide) };
  }

  /** Moves what was scored over the gaps that skipped pictures left. */
  async #pack(): Promise<TestItem[]> {
    const kept = this.items.flatMap((_, index) => (this.#scored[index] ? [index] : []));
    for (const [to, from] of kept.entries()) {
      if (from === to) continue;
      this.#scores[to] = this.#scores[from]!;
      this.#maps.copyWithin(to * mapSize, from * mapSize, (from + 1) * mapSize);
      this.#masks.copyWithin(to * mapSize, from * mapSize, (from + 1) * mapSize);
      await setImmediate(); // thousands of maps take long: others get their turn
    }
    return kept.map((index) => this.items[index]!);
  }
}

/** Mean over classes, field by field, without those where it is undefined. */
function meanOf(classes: Metrics[]): Metrics {
  const mean = (pick: (metrics: Metrics) => number): number => {
    const values = classes.map(pick).filter((value) => !Number.isNaN(value));
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  return {
    image: {
      auroc: mean(({ image }) => image.auroc),
      ap: mean(({ image }) => image.ap),
      f1Max: mean(({ image }) => image.f1Max),
    },
    pixel: {
      auroc: mean(({ pixel }) => pixel.auroc),
      ap: mean(({ pixel }) => pixel.ap),
      f1Max: mean(({ pixel }) => pixel.f1Max),
      aupro: mean(({ pixel }) => pixel.aupro),
    },
  };
}
