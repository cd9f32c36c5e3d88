import { access } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod/v3';
import { DinomalyError } from '../errors';
import { configOf, loadCheckpoint, metadataOf } from '../modelFile';
import type { Network } from '../network';
import type { CheckedTrainOptions } from '../options';
import type { ModelConfig } from '../types';
import { integer, invalid, parse } from '../validate';
import { openWeights } from '../weights';
import type { BatchSource } from './source';

/** What a resumed run must have in common with the one that wrote its checkpoint, by name. */
type Identity = Record<string, unknown>;

const trainingSchema = z.object({ iteration: integer(1), identity: z.record(z.string(), z.unknown()) });

/** Reads and writes the checkpoint of one run: a model file with the optimiser's state and how far the run is. */
export class Checkpoint {
  readonly #identity: Identity;

  constructor(
    private readonly network: Network,
    private readonly path: string,
    options: CheckedTrainOptions,
    source: BatchSource,
  ) {
    this.#identity = { ...networkIdentity(network.config), ...scheduleIdentity(options), ...source.identity };
  }

  /** @param iteration how many are done */
  async save(iteration: number): Promise<void> {
    const { native, config } = this.network;
    const training = JSON.stringify({ iteration, identity: this.#identity });
    const tuning = await native.tuning(); // the same algorithms give the same bits on this device
    await native.save(this.path, { ...metadataOf(config), training, ...(tuning && { tuning }) }, true);
  }

  /**
   * Goes on from the checkpoint, if there is one.
   *
   * @returns how many iterations are done
   * @throws ERR_RESUME_MISMATCH naming every option that differs
   */
  async resume(): Promise<number> {
    if (!(await exists(this.path))) return 0;
    const file = await openWeights(this.path);
    const json = file.metadata.get('training');
    const config = configOf(file);
    if (json === undefined || config === undefined) {
      throw new DinomalyError(
        'ERR_FILE_FORMAT',
        `${this.path}: expected a checkpoint of a training run, found a file without its progress. ` +
          'Load it with Dinomaly.load, and give checkpoint another path.',
      );
    }
    const { iteration, identity } = parseTraining(json, this.path);
    this.#compare(identity);
    await loadCheckpoint(this.network.native, file);
    const tuning = file.metadata.get('tuning');
    if (tuning) await this.network.native.addTuning(tuning);
    this.network.config = config;
    return iteration;
  }

  #compare(found: Identity): void {
    const here = JSON.parse(JSON.stringify(this.#identity)) as Identity;
    const names = [...new Set([...Object.keys(here), ...Object.keys(found)])];
    const different = names.filter((name) => !isDeepStrictEqual(here[name], found[name]));
    if (different.length === 0) return;
    const differences = different.map((name) => `${name} (${show(found[name])} there, ${show(here[name])} here)`);
    throw new DinomalyError(
      'ERR_RESUME_MISMATCH',
      `${this.path}: expected a checkpoint of the same run, found one that differs in ${differences.join(', ')}. ` +
        'Give the same options, or another checkpoint.path to start afresh.',
    );
  }
}

function parseTraining(json: string, path: string): z.output<typeof trainingSchema> {
  const what = `${path}: __metadata__.training`;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw invalid(what, 'JSON', json, 'ERR_FILE_FORMAT');
  }
  return parse(trainingSchema, value, what, 'ERR_FILE_FORMAT');
}

function networkIdentity({ encoder, image, dropout, groups, decoderDepth }: ModelConfig): Identity {
  return { encoder, image, dropout, groups, decoderDepth };
}

function scheduleIdentity(options: CheckedTrainOptions): Identity {
  const { iterations, learningRate, finalLearningRate, warmup, discardRate, discardWarmup } = options;
  const { clipNorm, weightDecay, seed } = options;
  const schedule = { iterations, learningRate, finalLearningRate, warmup, discardRate, discardWarmup };
  return { ...schedule, clipNorm, weightDecay, seed };
}

function show(value: unknown): string {
  return value === undefined ? 'none' : JSON.stringify(value);
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
