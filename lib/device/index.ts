import os from 'node:os';
import { addon, type NativeDevice } from '../addon';
import { DinomalyError } from '../errors';
import type { CudaOptions, Precision } from '../types';
import { invalid } from '../validate';
import type { Choice } from './choose';
import type { CudaReport } from './report';
import { surroundings, type Surroundings } from './surroundings';

export { surroundings, type Surroundings };
export { keepsNothing, recallTuning, tuningKeeper, type TuningKeeper } from './tuning';
export type { CudaCandidate, CudaReport, Look } from './report';

const precisions: readonly string[] = ['f32', 'tf32', 'bf16', 'int8'] satisfies Precision[];

let warned = false;

/** Loaded by who looks for a GPU. */
const search = () => require('./search') as typeof import('./search');

/** Looks and tests anew, whatever is remembered. */
export function inspectCuda(around: Surroundings): Promise<CudaReport> {
  return search().inspectCuda(around);
}

/**
 * The device that is meant, and what the addon needs to compute on it. Warns once when a GPU is present that `'auto'`
 * cannot use.
 *
 * @throws ERR_DEVICE_UNAVAILABLE for a device or precision that is not there, ERR_INVALID_ARGUMENT for what is neither
 */
export async function resolveRuntime(
  options: {
    device?: string | undefined;
    precision?: string | undefined;
    threads?: number | undefined;
    deterministic?: boolean | undefined;
    cuda?: CudaOptions | undefined;
  },
  around: Surroundings = surroundings(),
): Promise<NativeDevice> {
  const { device = 'auto', threads = os.availableParallelism(), deterministic = false, cuda = {} } = options;
  const precision = checkPrecision(options.precision);
  const [isCuda, number] = /^cuda(?::(\d+))?$/.exec(device) ?? [];
  const ordinal = number === undefined ? undefined : Number(number);
  if (isCuda === undefined && device !== 'auto' && device !== 'cpu')
    throw invalid('device', `'auto', 'cpu', 'cuda' or 'cuda:<number>'`, device);

  const { gpus } = addon().info();
  const mayBeGpu = device === 'auto' && precision !== 'int8' && gpus.length > 0 && !areHidden(around);
  if (isCuda !== undefined || mayBeGpu) {
    const found = await search().chooseCuda(ordinal, cuda, around);
    if ('pair' in found) return onCuda(found, precision, { threads, deterministic });
    if (isCuda !== undefined) throw noGpu(device, found.text);
    warnUnused(gpus, found.text);
  }
  return onCpu(precision, threads);
}

/** Whether the user wants no GPU to be seen, as CUDA reads the variable. */
function areHidden({ env }: Surroundings): boolean {
  return ['', '-1', 'NoDevFiles'].includes(env['CUDA_VISIBLE_DEVICES']?.trim() ?? '0');
}

function checkPrecision(precision: string | undefined): Precision | undefined {
  if (precision === undefined || precisions.includes(precision)) return precision as Precision | undefined;
  throw invalid('precision', precisions.map((name) => `'${name}'`).join(', '), precision);
}

function onCpu(precision: Precision = 'f32', threads: number): NativeDevice {
  if (precision === 'f32' || precision === 'int8') return { device: 'cpu', precision, threads };
  throw new DinomalyError(
    'ERR_DEVICE_UNAVAILABLE',
    `precision: expected one that the CPU has ('f32' or 'int8'), found '${precision}'. Leave it out, or compute on a GPU.`,
  );
}

function onCuda(
  { pair, ordinal, device }: Choice,
  precision: Precision | undefined,
  { threads, deterministic }: { threads: number; deterministic: boolean },
): NativeDevice {
  const { library, cublasLt } = pair;
  if (precision === 'int8') {
    throw new DinomalyError(
      'ERR_DEVICE_UNAVAILABLE',
      `precision: expected one that a GPU has ('f32', 'tf32' or 'bf16'), found 'int8'. Leave it out, or pass device: 'cpu'.`,
    );
  }
  const hasTensorFormats = Number(device.capability.split('.')[0]) >= 8;
  if (!hasTensorFormats && precision !== undefined && precision !== 'f32') {
    throw new DinomalyError(
      'ERR_DEVICE_UNAVAILABLE',
      `precision: '${precision}' expected a GPU of compute capability 8.0 or newer, found ${device.name} ` +
        `(${device.capability}). Leave precision out, or pass 'f32'.`,
    );
  }
  const chosen = precision ?? (hasTensorFormats ? 'bf16' : 'f32');
  return { device: 'cuda', library, cublasLt, ordinal, precision: chosen, measure: !deterministic, threads };
}

function noGpu(device: string, text: string): DinomalyError {
  return new DinomalyError(
    'ERR_DEVICE_UNAVAILABLE',
    `device: expected one that is there, found '${device}'. What was looked for and found:\n` +
      `${text.replace(/^/gm, '  ')}\nPass device: 'cpu', or see "Devices and precision" in the README.`,
  );
}

function warnUnused(gpus: string[], text: string): void {
  if (warned) return;
  warned = true;
  process.emitWarning(
    `A GPU is present (${gpus.join(', ')}) but cannot be computed on; the CPU is taken. Pass device: 'cpu' to silence ` +
      `this. What was looked for and found:\n${text.replace(/^/gm, '  ')}`,
    { code: 'DINOMALY_GPU_UNUSED' },
  );
}
