import { resolveRuntime } from '../lib/device';

jest.mock('../lib/addon', () => ({ addon: () => ({ info: () => ({ gpus: ['NVIDIA T4'] }) }) }));

test('a GPU that stays unused is warned of, once, and not when the CPU was asked for', () => {
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  expect(resolveRuntime({ device: 'cpu', threads: 3 })).toEqual({ device: 'cpu', threads: 3 });
  expect(warn).not.toHaveBeenCalled();
  expect(resolveRuntime({})).toMatchObject({ device: 'cpu' });
  resolveRuntime({ device: 'auto' });
  expect(warn.mock.calls).toEqual([[expect.stringContaining('NVIDIA T4'), { code: 'DINOMALY_GPU_UNUSED' }]]);
  expect(() => resolveRuntime({ device: 'cuda:0' })).toThrow(/no CUDA backend.*NVIDIA T4/);
});
