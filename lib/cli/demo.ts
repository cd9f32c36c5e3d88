import path from 'node:path';
import type { Command } from 'commander';
import { Dinomaly, datasets, type Dataset, type Evaluation } from '../index';
import { demoPage, origin } from './demoPage';
import { type EvaluatedFile, evaluateWithHeatmaps } from './evaluation';
import { metricsTable } from './metricsTable';
import { addRuntimeOptions, given, type RuntimeFlags } from './options';
import { addJsonOption, prepareFolderOf, printResult, saveFile } from './output';
import { toNumber } from './parsers';
import { trainWithProgress } from './training';

/** The pictures lie in the package, beside its code. */
const demoFolder = path.join(__dirname, '..', '..', 'demo');

/** Of each class, beside all defective ones. */
const goodPicturesShown = 2;

/** The paper's network and schedule, but smaller pictures and a shorter run. */
const image = { resize: 256, crop: 224 };
const schedule = { iterations: 200, batchSize: 4, warmup: 10, discardWarmup: 1000 };

interface DemoFlags extends RuntimeFlags {
  seed: number;
  output: string;
  json: boolean;
}

const example = `
${origin}

Example:
  $ dinomaly demo --seed 2 --output demo-output`;

export function addDemo(program: Command, signal: AbortSignal): void {
  const command = program
    .command('demo')
    .summary('trains one model on pictures in this package, evaluates it and writes heat maps')
    .description(
      'Trains one model on three classes of pictures in this package, evaluates it and writes heat maps: a few ' +
        'minutes, nothing is downloaded.',
    )
    .option('--seed <number>', 'of the initial weights, of dropout and of the order of pictures', toNumber, 1)
    .option('--output <folder>', 'where model, heat maps and page go', 'demo-output');
  addJsonOption(command);
  addRuntimeOptions(command);
  command.addHelpText('after', example).action((flags: DemoFlags) => demo(flags, signal));
}

async function demo({ seed, output, json, ...runtime }: DemoFlags, signal: AbortSignal): Promise<void> {
  const start = performance.now();
  const files = { model: path.join(output, 'model.safetensors'), page: path.join(output, 'index.html') };
  await prepareFolderOf(files.model);
  const dataset = await datasets.mvtec(demoFolder);
  await using model = await Dinomaly.create({ image, seed, ...given(runtime), signal });
  await trainWithProgress(model, dataset, { ...schedule, seed, signal });
  const folder = path.join(output, 'heatmaps');
  const { evaluation, pictures } = await evaluateWithHeatmaps(model, dataset, folder, { signal });
  await saveFile(files.page, await demoPage(evaluation, shown(dataset, pictures), seed));
  await model.save(files.model);
  const heatmaps = pictures.map(({ heatmap }) => heatmap);
  const seconds = (performance.now() - start) / 1000;
  printResult(json, { ...evaluation, seed, seconds, ...files, heatmaps }, () => summary(evaluation, output, seconds));
}

/** Of each class all defective pictures and a few good ones. */
function shown({ classes }: Dataset, pictures: EvaluatedFile[]): EvaluatedFile[] {
  return classes.flatMap((name) => {
    const ofClass = pictures.filter(({ item }) => item.class === name);
    const good = ofClass.filter(({ item }) => item.label === 0);
    return [...ofClass.filter(({ item }) => item.label === 1), ...good.slice(0, goodPicturesShown)];
  });
}

function summary(evaluation: Evaluation, output: string, seconds: number): string {
  return [
    metricsTable(evaluation),
    '',
    origin,
    '',
    `Done in ${seconds.toFixed(0)} s. Everything lies in ${path.resolve(output)}:`,
    '  index.html         pictures, masks, heat maps and metrics on one page; open it in a browser',
    '  heatmaps/          the heat maps as PNG',
    '  model.safetensors  the model; try: dinomaly score <this file> <pictures>',
  ].join('\n');
}
