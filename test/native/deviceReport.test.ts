import path from 'node:path';
import { addon } from '../../lib/addon';
import { compileLibrary, emulated, touch } from '../support/deviceLibrary';
import { temporaryFolder } from '../support/temporaryFolder';
import { config, errorOf } from './support';

const folder = temporaryFolder();
const inFolder = (name: string) => path.join(folder, name);

test('the emulated device reports what a GPU would', () => {
  const report = addon().deviceReport(emulated, null);
  const device = {
    ...{ name: 'emulated', capability: '9.0', processors: 132, usable: true },
    ...{ memoryBytes: 2 ** 30, freeBytes: 2 ** 30 },
  };
  expect(report).toEqual({
    ...{ score: 13000, toolkit: 13000, driver: 13000, cublasLt: 130000, cublasLtPath: 'emulated', problem: '' },
    devices: [device, device],
  });
});

test('a report whose fields are full is cut off where they end', () => {
  const { devices, cublasLtPath } = addon().deviceReport(compileLibrary(inFolder('full.so')), 'some/cublasLt');
  expect(devices).toMatchObject([{ name: 'G'.repeat(128), capability: '9.0', usable: true }]);
  expect(cublasLtPath).toBe('some/cublasLt');
});

test.each([
  ['is missing', () => inFolder('missing.so'), /missing\.so: expected a shared library.*No such file/],
  ['is no library', () => touch(inFolder('text.so'), 'Not a library.'), /text\.so: expected a shared library/],
  [
    'is some other library',
    () => compileLibrary(inFolder('other.so'), { NO_SYMBOL: '' }),
    /expected a device library of this package, found no symbol dinomalyDeviceLibrary/,
  ],
  [
    'is of another version',
    () => compileLibrary(inFolder('version.so'), { VERSION: '999' }),
    /expected interface version \d+, found 999 \(it belongs to another version of this package\)/,
  ],
  [
    'is of another size',
    () => compileLibrary(inFolder('size.so'), { BYTES: '8' }),
    /expected an interface of \d+ bytes, found 8 /,
  ],
])('a library that %s is not taken', async (_, library, message) => {
  const error = await errorOf(() => addon().deviceReport(library(), null));
  expect(error).toMatchObject({ code: 'ERR_DEVICE_UNAVAILABLE', message: expect.stringMatching(message) as string });
});

const cuda = {
  ...config,
  device: 'cuda',
  library: emulated,
  cublasLt: null,
  ordinal: 0,
  precision: 'f32',
  measure: false,
} as const;

test.each([
  ['deviceReport: library', () => addon().deviceReport('', null), /'library': expected a path/],
  ['deviceReport: cublasLt', () => addon().deviceReport(emulated, 3 as never), /'cublasLt': expected/],
  ['Model: library', () => new (addon().Model)({ ...cuda, library: undefined as never }), /'library': expected/],
  ['Model: cublasLt', () => new (addon().Model)({ ...cuda, cublasLt: '' }), /'cublasLt': expected a path/],
  ['Model: ordinal', () => new (addon().Model)({ ...cuda, ordinal: -1 }), /'ordinal': expected an integer from 0/],
  ['Model: measure', () => new (addon().Model)({ ...cuda, measure: 1 as never }), /'measure': expected true or false/],
  ['Model: precision', () => new (addon().Model)({ ...cuda, precision: 'f16' as never }), /expected f32, tf32 or bf16/],
  [
    'Model: precision of the CPU',
    () => new (addon().Model)({ ...config, precision: 'bf16' as never }),
    /expected f32 or int8/,
  ],
])('refuses %s', async (_, call, message) => {
  expect(await errorOf(call)).toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
    message: expect.stringMatching(message) as string,
  });
});

test('a model on a library that is missing says so, and the process lives on', async () => {
  const model = new (addon().Model)({ ...cuda, library: inFolder('missing.so') });
  const error = await errorOf(() => model.load([]));
  expect(error).toMatchObject({
    code: 'ERR_DEVICE_UNAVAILABLE',
    message: expect.stringContaining('missing.so') as string,
  });
  await model.dispose();
});
