import type { Command } from 'commander';
import { type FileReport, inspect, type MachineReport } from '../index';
import { addJsonOption, printResult } from './output';

const example = `
Examples:
  $ dinomaly inspect
  $ dinomaly inspect model.safetensors --json`;

export function addInspect(program: Command): void {
  const command = program
    .command('inspect')
    .description('Tells what a model or weights file holds; without a file, what computes on this machine.')
    .argument('[file]', 'safetensors, or a .pth of PyTorch');
  addJsonOption(command);
  command.addHelpText('after', example).action(inspectFileOrMachine);
}

async function inspectFileOrMachine(file: string | undefined, { json }: { json: boolean }): Promise<void> {
  if (file === undefined) {
    const report = await inspect.machine();
    printResult(json, report, () => machineText(report));
  } else {
    const report = await inspect.file(file);
    printResult(json, report, () => fileText(report));
  }
}

function machineText(report: MachineReport): string {
  const fields = lines({
    addon: report.addon,
    platform: `${report.platform}, Node ${report.node}`,
    device: report.device,
    'instruction set': report.isa,
    threads: report.threads,
    oneDNN: report.oneDNN,
    GPUs: report.gpus.join(', ') || 'none',
    'hub cache': report.hubCache ?? 'none',
  });
  return `${fields}\n\nTo compute on a GPU (device: 'cuda'):\n${report.cuda.text}`;
}

function fileText({ path, bytes, config, inferred, problem, tensors, unusable }: FileReport): string {
  const network = config ? { ...config.encoder, ...config, encoder: undefined } : (inferred ?? {});
  const shown = Object.entries(network).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, JSON.stringify(value)] as const],
  );
  return [
    lines({ file: path, bytes, holds: holds(config, inferred, problem), ...Object.fromEntries(shown) }),
    '',
    ...tensorGroups(tensors),
    ...Object.entries(unusable).map(([name, reason]) => `cannot be read: ${name}: ${reason}`),
  ].join('\n');
}

function holds(config: FileReport['config'], inferred: FileReport['inferred'], problem: string | null): string {
  if (config) return `a model of this package, ${config.trained ? 'trained' : 'untrained'}`;
  if (!inferred) return `no network: ${problem}`;
  return inferred.decoderDepth > 0 ? 'a released Dinomaly model' : 'an encoder';
}

/** One line for all tensors whose names begin alike: how many, how many numbers, of which types. */
function tensorGroups(tensors: FileReport['tensors']): string[] {
  const groups = new Map<string, FileReport['tensors']>();
  for (const tensor of tensors) {
    const group = tensor.name.split('.')[0]!;
    groups.set(group, [...(groups.get(group) ?? []), tensor]);
  }
  return [...groups].map(([group, members]) => {
    const numbers = members.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    const types = [...new Set(members.map(({ dtype }) => dtype))].join(', ');
    return `${group}: ${members.length} ${members.length === 1 ? 'tensor' : 'tensors'}, ${numbers} numbers, ${types}`;
  });
}

function lines(fields: Record<string, unknown>): string {
  const width = Math.max(...Object.keys(fields).map((name) => name.length));
  return Object.entries(fields)
    .map(([name, value]) => `${name.padEnd(width)}  ${String(value)}`)
    .join('\n');
}
