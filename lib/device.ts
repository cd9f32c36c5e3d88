import os from 'node:os';
import { addon } from './addon';
import { DinomalyError } from './errors';
import { invalid } from './validate';

let warned = false;

/**
 * The device that is meant; only the CPU is there. Warns once when a GPU is present and `'auto'` leaves it unused.
 *
 * @throws ERR_DEVICE_UNAVAILABLE for another device or precision, ERR_INVALID_ARGUMENT for what is neither
 */
export function resolveRuntime(options: {
  device?: string | undefined;
  precision?: string | undefined;
  threads?: number | undefined;
}): { device: 'cpu'; threads: number } {
  const { device = 'auto', precision = 'f32', threads = os.availableParallelism() } = options;
  const { gpus } = addon().info();
  if (/^cuda(:\d+)?$/.test(device)) {
    throw new DinomalyError(
      'ERR_DEVICE_UNAVAILABLE',
      `device: expected one that is there ('cpu'), found '${device}'. This build has no CUDA backend; GPUs in this ` +
        `machine: ${gpus.join(', ') || 'none'}. Use 'auto' or 'cpu'.`,
    );
  }
  if (device !== 'auto' && device !== 'cpu')
    throw invalid('device', `'auto', 'cpu', 'cuda' or 'cuda:<number>'`, device);
  if (precision === 'f16' || precision === 'bf16') {
    throw new DinomalyError(
      'ERR_DEVICE_UNAVAILABLE',
      `precision: expected one that is there ('f32'), found '${precision}'. This build computes in f32 alone.`,
    );
  }
  if (precision !== 'f32') throw invalid('precision', `'f32', 'f16' or 'bf16'`, precision);
  if (device === 'auto' && gpus.length > 0 && !warned) {
    warned = true;
    process.emitWarning(
      `A GPU is present (${gpus.join(', ')}) but this build has no CUDA backend: computing on the CPU. ` +
        `Pass device: 'cpu' to silence this.`,
      { code: 'DINOMALY_GPU_UNUSED' },
    );
  }
  return { device: 'cpu', threads };
}
