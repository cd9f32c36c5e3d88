import type { Command } from 'commander';
import type { CreateOptions, EncoderName, EncoderShape, LoadOptions, RuntimeOptions } from '../index';
import { toEncoder, toGroups, toNumber } from './parsers';

export interface RuntimeFlags {
  device: NonNullable<RuntimeOptions['device']>;
  precision?: NonNullable<RuntimeOptions['precision']>;
  threads?: number;
  deterministic: boolean;
}

export interface NetworkFlags {
  encoder?: EncoderName | EncoderShape;
  resize?: number;
  crop?: number;
  dropout?: number;
  groups?: number[][];
}

export interface HeatmapFlags {
  heatmaps?: string;
  heatmapMax?: number;
}

export function addHeatmapOptions(command: Command): Command {
  return command
    .option('--heatmaps <folder>', 'write each picture with the map over it, as PNG (default: none)')
    .option(
      '--heatmap-max <value>',
      'map value shown as hottest (default: what training measured, else 0.5)',
      toNumber,
    );
}

export function addRuntimeOptions(command: Command): Command {
  return command
    .optionsGroup('Where it runs:')
    .option('--device <name>', 'auto (a GPU if one can be used), cpu, cuda or cuda:<number>', 'auto')
    .option(
      '--precision <name>',
      'f32; int8 on the CPU; tf32 or bf16 on a GPU of compute capability 8.0 or newer (default: bf16 there, else f32)',
    )
    .option('--deterministic', 'the same bits from the same GPU in every process, at the cost of speed', false)
    .option('--threads <count>', 'threads to compute with (default: as many as the machine has cores)', toNumber);
}

/** Options of a new network. */
export function addCreateOptions(command: Command): Command {
  return command
    .optionsGroup('Network:')
    .option(
      '--encoder <name or JSON>',
      'dinov2reg_vit_{small,base,large}_14 or dinov2_vit_{small,base,large}_14, or a shape such as ' +
        `'{"dim":384,"heads":6,"depth":12}'`,
      toEncoder,
      'dinov2_vit_small_14',
    )
    .option(
      '--weights <source>',
      "the encoder's: a safetensors or .pth file, hub or random (default: the file in this package for " +
        'dinov2_vit_small_14, hub for other names, random for a shape)',
    )
    .option('--resize <pixels>', 'pictures are resized to this side', toNumber, 448)
    .option('--crop <pixels>', "and this side is cut out; a multiple of the encoder's patch", toNumber, 392)
    .option('--dropout <rate>', 'of the noisy bottleneck', toNumber, 0.2)
    .option(
      '--groups <JSON>',
      'targets that are averaged, such as [[0,1,2,3],[4,5,6,7]] (default: two halves)',
      toGroups,
    );
}

/** What a released model.pth cannot tell. */
export function addLoadOptions(command: Command): Command {
  return command
    .optionsGroup('What a released model.pth cannot tell (a file of train tells it all):')
    .option(
      '--encoder <name or JSON>',
      `a name, or part of a shape such as '{"heads":6,"targets":[2,3]}' (default: what the tensors tell)`,
      toEncoder,
    )
    .option('--resize <pixels>', 'pictures are resized to this side (default: 448)', toNumber)
    .option('--crop <pixels>', 'and this side is cut out (default: 392)', toNumber)
    .option('--groups <JSON>', 'targets that are averaged (default: two halves)', toGroups);
}

export function createOptions(flags: NetworkFlags & RuntimeFlags & { weights?: string; seed: number }): CreateOptions {
  const { weights, seed } = flags;
  return { ...loadOptions(flags), ...given({ weights, seed }) } as CreateOptions;
}

export function loadOptions(flags: NetworkFlags & RuntimeFlags): LoadOptions {
  const { encoder, resize, crop, dropout, groups, device, precision, threads, deterministic } = flags;
  const image = given({ resize, crop });
  return { ...given({ encoder, dropout, groups, threads, precision }), image, device, deterministic };
}

/** Without the fields whose option was not given. */
export function given<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}
