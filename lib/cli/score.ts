import { stat } from 'node:fs/promises';
import type { Command } from 'commander';
import { Dinomaly, datasets, type Unreadable } from '../index';
import { addUnreadableOption } from './data';
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
import { type ScoredPicture, scorePictures } from './scoring';

interface ScoreFlags extends NetworkFlags, RuntimeFlags, HeatmapFlags {
  unreadable: Unreadable;
  json: boolean;
}

const example = `
Example:
  $ dinomaly score parts.safetensors parts/screw/test/good new.jpg --heatmaps heatmaps`;

export function addScore(program: Command, signal: AbortSignal): void {
  const command = program
    .command('score')
    .description('Prints how abnormal pictures are, and shows where. Higher is more abnormal.')
    .argument('<model>', 'a file that train wrote, or a released model.pth')
    .argument('<pictures...>', 'pictures, or folders of them (their own pictures, not those in folders within)');
  addHeatmapOptions(command);
  addUnreadableOption(command);
  addJsonOption(command);
  addLoadOptions(command);
  addRuntimeOptions(command);
  command
    .addHelpText('after', example)
    .action((file: string, pictures: string[], flags: ScoreFlags) => score(file, pictures, flags, signal));
}

async function score(file: string, inputs: string[], flags: ScoreFlags, signal: AbortSignal): Promise<void> {
  const pictures = (await Promise.all(inputs.map(picturesOf))).flat();
  await using model = await Dinomaly.load(file, loadOptions(flags));
  const { heatmaps, heatmapMax, unreadable } = flags;
  const results = await scorePictures(model, pictures, {
    signal,
    skipUnreadable: unreadable === 'skip',
    ...given({ heatmaps, heatmapMax }),
  });
  printResult(flags.json, { pictures: results }, () => table(results));
}

/** A picture itself, or the pictures of a folder. */
async function picturesOf(input: string): Promise<string[]> {
  const found = await stat(input).catch(() => undefined);
  if (!found?.isDirectory()) return [input];
  const { test } = await datasets.folder({ [input]: { good: input } });
  return test.map(({ image }) => image as string);
}

function table(results: ScoredPicture[]): string {
  return results.map(({ path, score }) => `${score.toFixed(4)}  ${path}`).join('\n');
}
