import type { Command } from 'commander';
import { Dinomaly } from '../index';
import { addDataOptions, type DataFlags, readDataset } from './data';
import { evaluateWithHeatmaps, evaluateWithProgress } from './evaluation';
import { metricsTable } from './metricsTable';
import {
  addHeatmapOptions,
  addLoadOptions,
  addRuntimeOptions,
  given,
  type HeatmapFlags,
  loadOptions,
  type NetworkFlags,
  type RuntimeFlags,
} from './options';
import { addJsonOption, printResult } from './output';

interface EvaluateFlags extends DataFlags, NetworkFlags, RuntimeFlags, HeatmapFlags {
  json: boolean;
}

const example = `
Example:
  $ dinomaly evaluate parts.safetensors parts --class screw --class nut --heatmaps heatmaps`;

export function addEvaluate(program: Command, signal: AbortSignal): void {
  const command = program
    .command('evaluate')
    .description('Scores the test pictures of a data set and prints seven metrics per class and their mean.')
    .argument('<model>', 'a file that train wrote, or a released model.pth')
    .argument('<data>', 'folder of the data set, one folder per class in it');
  addHeatmapOptions(command);
  addJsonOption(command);
  addDataOptions(command);
  addLoadOptions(command);
  addRuntimeOptions(command);
  command
    .addHelpText('after', example)
    .action((file: string, data: string, flags: EvaluateFlags) => evaluate(file, data, flags, signal));
}

async function evaluate(file: string, data: string, flags: EvaluateFlags, signal: AbortSignal): Promise<void> {
  const dataset = await readDataset(data, flags);
  await using model = await Dinomaly.load(file, loadOptions(flags));
  const { heatmaps, heatmapMax, unreadable } = flags;
  const options = { signal, unreadable, ...given({ heatmapMax }) };
  const evaluation =
    heatmaps === undefined
      ? await evaluateWithProgress(model, dataset, options)
      : (await evaluateWithHeatmaps(model, dataset, heatmaps, options)).evaluation;
  printResult(flags.json, evaluation, () => metricsTable(evaluation));
}
