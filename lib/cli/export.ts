import { stat } from 'node:fs/promises';
import type { Command } from 'commander';
import { Dinomaly } from '../index';
import { addLoadOptions, loadOptions, type NetworkFlags } from './options';
import { addJsonOption, prepareFolderOf, printResult } from './output';
import { toNumber } from './parsers';

interface ExportFlags extends NetworkFlags {
  opset: number;
  dynamicBatch: boolean;
  json: boolean;
}

const example = `
Example:
  $ dinomaly export parts.safetensors parts.onnx --dynamic-batch`;

export function addExport(program: Command): void {
  const command = program
    .command('export')
    .description('Writes a model as ONNX, for other runtimes: normalised pictures in, maps and scores out.')
    .argument('<model>', 'a file that train wrote, or a released model.pth')
    .argument('<file>', 'where the ONNX file goes')
    .option('--opset <version>', "of ONNX's operators, 17 to 26", toNumber, 17)
    .option('--dynamic-batch', 'take any number of pictures at a time, not one', false);
  addJsonOption(command);
  addLoadOptions(command);
  command.addHelpText('after', example).action(exportModel);
}

async function exportModel(modelFile: string, file: string, flags: ExportFlags): Promise<void> {
  const { opset, dynamicBatch, json } = flags;
  await prepareFolderOf(file);
  await using model = await Dinomaly.load(modelFile, loadOptions({ ...flags, device: 'cpu', deterministic: false }));
  await model.exportOnnx(file, { opset, dynamicBatch });
  const { size } = await stat(file);
  const result = { file, bytes: size, opset, dynamicBatch, config: model.config };
  printResult(json, result, () => `Wrote ${file}, ${size} bytes.`);
}
