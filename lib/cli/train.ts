import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { Dinomaly, type TrainOptions } from '../index';
import { addDataOptions, type DataFlags, readDataset } from './data';
import { addCreateOptions, addRuntimeOptions, createOptions, type NetworkFlags, type RuntimeFlags } from './options';
import { addJsonOption, prepareFolderOf, printResult } from './output';
import { toNumber } from './parsers';
import { withProgress } from './progress';
import { trainWithProgress } from './training';

interface ScheduleFlags {
  iterations: number;
  batchSize: number;
  learningRate: number;
  finalLearningRate: number;
  warmup: number;
  discardRate: number;
  discardWarmup: number;
  clipNorm: number;
  weightDecay: number;
  seed: number;
  checkpoint?: string;
  every: number;
  resume: boolean;
}

interface TrainFlags extends ScheduleFlags, DataFlags, NetworkFlags, RuntimeFlags {
  output: string;
  weights?: string;
  json: boolean;
}

const example = `
Example:
  $ dinomaly train parts --iterations 5000 --checkpoint parts.checkpoint.safetensors --output parts.safetensors
Should it be interrupted, the same command with --resume goes on from the checkpoint and ends with the same bytes (on a
GPU with --deterministic).`;

export function addTrain(program: Command, signal: AbortSignal): void {
  const command = program
    .command('train')
    .description('Trains one model on the good pictures of all classes and writes it.')
    .argument('<data>', 'folder of the data set, one folder per class in it')
    .option('--output <file>', 'where the model goes', 'model.safetensors');
  addJsonOption(command);
  addDataOptions(command);
  addCreateOptions(command);
  addScheduleOptions(command);
  addRuntimeOptions(command);
  command.addHelpText('after', example).action((data: string, flags: TrainFlags) => train(data, flags, signal));
}

function addScheduleOptions(command: Command): void {
  command
    .optionsGroup('Training:')
    .option('--iterations <count>', 'length of the run', toNumber, 10_000)
    .option('--batch-size <count>', 'pictures an iteration', toNumber, 16)
    .option('--learning-rate <rate>', 'after warm-up', toNumber, 2e-3)
    .option('--final-learning-rate <rate>', 'at the end of the run', toNumber, 2e-4)
    .option('--warmup <iterations>', 'in which the learning rate rises', toNumber, 100)
    .option('--discard-rate <share>', 'of easy patches whose gradient is made small, 0 to 1', toNumber, 0.9)
    .option('--discard-warmup <iterations>', 'in which that share is reached', toNumber, 1000)
    .option('--clip-norm <norm>', 'largest gradient norm', toNumber, 0.1)
    .option('--weight-decay <rate>', 'of the optimiser', toNumber, 1e-4)
    .option('--seed <number>', 'of the initial weights, of dropout and of the order of pictures', toNumber, 1)
    .option('--checkpoint <file>', 'keep the state of the run here (default: nowhere)')
    .option('--every <iterations>', 'between checkpoints', toNumber, 500)
    .option('--resume', 'go on from the checkpoint if it exists', false);
}

async function train(data: string, flags: TrainFlags, signal: AbortSignal): Promise<void> {
  const { output, checkpoint } = flags;
  const dataset = await readDataset(data, flags);
  await prepareFolderOf(output);
  if (checkpoint !== undefined) await prepareFolderOf(checkpoint);
  await using model = await withProgress('Fetching the encoder, bytes', (show) =>
    Dinomaly.create({ ...createOptions(flags), signal, onDownload: ({ received, total }) => show(received, total) }),
  );
  try {
    const last = await trainWithProgress(model, dataset, { ...trainOptions(flags), signal });
    await model.save(output);
    const { iteration, loss } = last ?? { iteration: flags.iterations, loss: NaN };
    const result = { model: output, iterations: iteration, loss, config: model.config };
    printResult(flags.json, result, () => `Wrote ${output} after ${iteration} iterations.`);
  } catch (error) {
    if (checkpoint !== undefined && existsSync(checkpoint)) {
      console.error(`The checkpoint ${checkpoint} is kept; the same command with --resume goes on from it.`);
    }
    throw error;
  }
}

function trainOptions(flags: TrainFlags): TrainOptions {
  const { iterations, batchSize, learningRate, finalLearningRate, warmup, discardRate, discardWarmup } = flags;
  const { clipNorm, weightDecay, seed, checkpoint, every, resume, unreadable } = flags;
  const schedule = { iterations, batchSize, learningRate, finalLearningRate, warmup, discardRate, discardWarmup };
  const options = { ...schedule, clipNorm, weightDecay, seed, resume, unreadable };
  return checkpoint === undefined ? options : { ...options, checkpoint: { path: checkpoint, every } };
}
