import path from 'node:path';
import { resolveRuntime } from '../../lib/device';
import type { Surroundings } from '../../lib/device/surroundings';
import { rejection } from '../support/error';
import { compileLibrary, machineIn, touch } from '../support/deviceLibrary';
import { temporaryFolder } from '../support/temporaryFolder';

const gpus: string[] = [];
jest.mock('../../lib/addon', () => ({ addon: () => ({ info: () => ({ gpus }) }) }));
beforeEach(() => gpus.splice(0));

const folder = temporaryFolder();
let machines = 0;

/** A machine with these GPUs, by their compute capability; null: without a library. */
function machine(devices: string | null): { surroundings: Surroundings; library: string } {
  const here = path.join(folder, String(machines++));
  const library = path.join(here, 'package/prebuilds/dinomaly-cuda12.so');
  if (devices !== null) compileLibrary(library, { DEVICES: `"${devices}"` });
  return { surroundings: machineIn(here), library };
}

const onCpu = { device: 'cpu', precision: 'f32', threads: 3 };

test("'cpu' looks for nothing, whatever there is", async () => {
  gpus.push('NVIDIA T4');
  expect(await resolveRuntime({ device: 'cpu', threads: 3 }, machine('9.0').surroundings)).toEqual(onCpu);
});

test("'auto' takes a GPU that is present and can be computed on", async () => {
  const { surroundings, library } = machine('9.0');
  expect(await resolveRuntime({ threads: 3 }, surroundings)).toEqual(onCpu); // none is present
  gpus.push('NVIDIA H100');
  const onGpu = { device: 'cuda', library, cublasLt: null, ordinal: 0, precision: 'bf16', measure: true, threads: 3 };
  expect(await resolveRuntime({ threads: 3 }, surroundings)).toEqual(onGpu);
  const still = await resolveRuntime({ device: 'auto', threads: 3, deterministic: true }, surroundings);
  expect(still).toEqual({ ...onGpu, measure: false });
});

test("'int8' is the CPU's alone, so 'auto' takes it whatever GPU is present", async () => {
  gpus.push('NVIDIA H100');
  const { surroundings } = machine('9.0');
  const int8 = { ...onCpu, precision: 'int8' };
  for (const device of [undefined, 'auto', 'cpu']) {
    expect(await resolveRuntime({ device, precision: 'int8', threads: 3 }, surroundings)).toEqual(int8);
  }
});

test.each(['', ' ', '-1', 'NoDevFiles'])(
  "'auto' looks for nothing where CUDA_VISIBLE_DEVICES is '%s'",
  async (visible) => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    gpus.push('NVIDIA H100');
    const { surroundings, library } = machine('9.0');
    surroundings.env['CUDA_VISIBLE_DEVICES'] = visible;
    expect(await resolveRuntime({ threads: 3 }, surroundings)).toEqual(onCpu);
    expect(warn).not.toHaveBeenCalled();
    // Asked for by name it is CUDA's to say what is hidden.
    expect(await resolveRuntime({ device: 'cuda' }, surroundings)).toMatchObject({ library });
  },
);

test("'auto' warns of a GPU that cannot be used, once, and takes the CPU", async () => {
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const { surroundings, library } = machine(null);
  expect(await resolveRuntime({ threads: 3 }, surroundings)).toEqual(onCpu);
  expect(warn).not.toHaveBeenCalled();
  gpus.push('NVIDIA T4');
  for (const device of [undefined, 'auto']) {
    expect(await resolveRuntime({ device, threads: 3 }, surroundings)).toEqual(onCpu);
  }
  expect(warn.mock.calls).toEqual([[expect.stringContaining('NVIDIA T4'), { code: 'DINOMALY_GPU_UNUSED' }]]);
  expect(warn.mock.calls[0]![0]).toContain(`dinomaly-cuda12.so, this package: not found (${library})`);
});

test("'cuda' without a GPU tells everything that was looked for and found", async () => {
  const { surroundings, library } = machine('10.0');
  touch(path.join(surroundings.system, 'proc/driver/nvidia/version'), 'NVRM version: 580.65.06\nGCC version: 12\n');
  surroundings.env['LD_LIBRARY_PATH'] = '/nowhere';
  const { message } = await rejection(resolveRuntime({ device: 'cuda' }, surroundings), 'ERR_DEVICE_UNAVAILABLE');
  const prebuilds = path.dirname(library);
  const system = surroundings.system;
  expect(message.split('\n')).toEqual([
    "device: expected one that is there, found 'cuda'. What was looked for and found:",
    '  NVIDIA driver: NVRM version: 580.65.06',
    `  dinomaly-cuda13.so, this package: not found (${prebuilds}/dinomaly-cuda13.so)`,
    `  dinomaly-cuda12.so, this package: ${library}`,
    '  libcublasLt.so.12, LD_LIBRARY_PATH: not found (/nowhere/libcublasLt.so.12)',
    '  libcublasLt.so.12, CUDA_PATH: nothing to look at',
    '  libcublasLt.so.12, CUDA_HOME: nothing to look at',
    '  libcublasLt.so.12, CONDA_PREFIX: nothing to look at',
    '  libcublasLt.so.12, /usr/local/cuda*: nothing to look at',
    "  libcublasLt.so.12, the system's loader: left to it",
    "  libcublasLt.so.12, NVIDIA's Python packages: nothing to look at",
    `  dinomaly-cuda11.so, this package: not found (${prebuilds}/dinomaly-cuda11.so)`,
    `  ${library} with the system's cuBLASLt: not taken: expected a GPU, found none`,
    `Pass device: 'cpu', or see "Devices and precision" in the README.`,
  ]);
  expect(system).toContain(folder);
});

test("'cuda:N' is the GPU with that number or none", async () => {
  const { surroundings } = machine('10.0 9.0');
  expect(await resolveRuntime({ device: 'cuda' }, surroundings)).toMatchObject({ device: 'cuda', ordinal: 1 });
  expect(await resolveRuntime({ device: 'cuda:1' }, surroundings)).toMatchObject({ device: 'cuda', ordinal: 1 });
  for (const device of ['cuda:0', 'cuda:2']) {
    const { message } = await rejection(resolveRuntime({ device }, surroundings), 'ERR_DEVICE_UNAVAILABLE');
    expect(message).toMatch(
      /expected a GPU [02] that it has code for, found GPU 0: G+ \(10\.0, no code for it\), GPU 1/,
    );
  }
});

test('options name a library and a cuBLASLt', async () => {
  const { library } = machine('9.0');
  const cublasLt = touch(path.join(folder, 'own-lt.so'));
  const runtime = await resolveRuntime({ device: 'cuda', cuda: { library, cublasLt } }, machine(null).surroundings);
  expect(runtime).toMatchObject({ library, cublasLt });
});

test.each([
  ['9.0', undefined, 'bf16'],
  ['8.0', undefined, 'bf16'],
  ['7.5', undefined, 'f32'],
  ['9.0', 'tf32', 'tf32'],
  ['9.0', 'f32', 'f32'],
  ['7.5', 'f32', 'f32'],
])('a GPU of capability %s, asked for %s, computes in %s', async (capability, precision, expected) => {
  const { surroundings } = machine(capability);
  expect(await resolveRuntime({ device: 'cuda', precision }, surroundings)).toMatchObject({ precision: expected });
});

test.each([
  [
    { device: 'cuda', precision: 'bf16' },
    /'bf16' expected a GPU of compute capability 8\.0 or newer, found G+ \(7\.5\)/,
  ],
  [{ device: 'cuda', precision: 'tf32' }, /'tf32' expected a GPU of compute capability 8\.0/],
  [{ device: 'cpu', precision: 'bf16' }, /expected one that the CPU has \('f32' or 'int8'\), found 'bf16'/],
  [{ device: 'cuda', precision: 'int8' }, /expected one that a GPU has \('f32', 'tf32' or 'bf16'\), found 'int8'/],
  [{ precision: 'tf32' }, /expected one that the CPU has/],
])('%j on a machine without it is unavailable', async (options, message) => {
  const error = await rejection(resolveRuntime(options, machine('7.5').surroundings), 'ERR_DEVICE_UNAVAILABLE');
  expect(error.message).toMatch(message);
});

test.each([
  [{ device: 'tpu' }, /device: expected 'auto'.*found 'tpu'/],
  [{ device: 'cuda:' }, /device: .*found 'cuda:'/],
  [{ device: 'cuda', precision: 'f16' }, /precision: expected 'f32', 'tf32', 'bf16', 'int8', found 'f16'/],
])('%j is no device or precision', async (options, message) => {
  const error = await rejection(resolveRuntime(options, machine(null).surroundings), 'ERR_INVALID_ARGUMENT');
  expect(error.message).toMatch(message);
});
