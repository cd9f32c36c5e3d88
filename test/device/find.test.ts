import { mkdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { findPairs } from '../../lib/device/find';
import { machineIn, touch } from '../support/deviceLibrary';
import { temporaryFolder } from '../support/temporaryFolder';

const folder = temporaryFolder();
let machines = 0;

/** A machine of its own for each test, and the paths on it. */
function machine(env: (at: (name: string) => string) => Record<string, string> = () => ({})) {
  const here = path.join(folder, String(machines++));
  const at = (name: string) => path.join(here, name);
  const add = (name: string) => touch(at(name));
  return { at, add, surroundings: machineIn(here, env(at)) };
}

/** The cuBLASLt of every pair of the first library. */
async function cublasLts({ surroundings }: ReturnType<typeof machine>) {
  const { libraries } = await findPairs({}, surroundings);
  return libraries[0]!.map(({ cublasLt }) => cublasLt);
}

const library = (major: number) => `package/prebuilds/dinomaly-cuda${major}.so`;

test('without a library, cuBLASLt is not looked for', async () => {
  const { surroundings, at } = machine();
  const { looked, libraries } = await findPairs({}, surroundings);
  expect(libraries).toEqual([]);
  expect(looked).toEqual(
    [13, 12, 11].map((major) => ({
      file: `dinomaly-cuda${major}.so`,
      ...{ place: 'this package', paths: [at(library(major))], found: [] },
    })),
  );
});

test('libraries are taken newest first, each with a cuBLASLt of its own major version', async () => {
  const { surroundings, at, add } = machine((at) => ({ LD_LIBRARY_PATH: at('lib') }));
  for (const major of [11, 12, 13]) {
    add(library(major));
    add(`lib/libcublasLt.so.${major}`);
  }
  const { libraries } = await findPairs({}, surroundings);
  expect(libraries).toEqual(
    [13, 12, 11].map((major) =>
      [at(`lib/libcublasLt.so.${major}`), null].map((cublasLt) => ({ library: at(library(major)), cublasLt })),
    ),
  );
});

test.each([
  [
    'LD_LIBRARY_PATH',
    (at: (name: string) => string) => ({ LD_LIBRARY_PATH: `:relative:${at('a')}:${at('b')}` }),
    ['a', 'b'],
  ],
  ['CUDA_PATH', (at: (name: string) => string) => ({ CUDA_PATH: at('toolkit') }), ['toolkit/lib64', 'toolkit/lib']],
  ['CUDA_HOME', (at: (name: string) => string) => ({ CUDA_HOME: at('toolkit') }), ['toolkit/lib64', 'toolkit/lib']],
  ['CONDA_PREFIX', (at: (name: string) => string) => ({ CONDA_PREFIX: at('conda') }), ['conda/lib']],
])('%s is looked into', async (_, env, folders) => {
  const here = machine(env);
  here.add(library(12));
  const added = folders.map((name) => here.add(`${name}/libcublasLt.so.12`));
  expect(await cublasLts(here)).toEqual([...added, null]);
});

test('toolkits in /usr/local are looked into, newest first, and links to them once', async () => {
  const here = machine();
  here.add(library(12));
  const folders = ['cuda-12.10/lib64', 'cuda-12.4/targets/x86_64-linux/lib'];
  const added = folders.map((name) => here.add(`system/usr/local/${name}/libcublasLt.so.12`));
  here.add('system/usr/local/cuda-samples/lib64/libcublasLt.so.12');
  symlinkSync('cuda-12.4', here.at('system/usr/local/cuda'));
  symlinkSync('targets/x86_64-linux/lib', here.at('system/usr/local/cuda-12.4/lib64'));
  expect(await cublasLts(here)).toEqual([
    added[0],
    here.at('system/usr/local/cuda-12.4/lib64/libcublasLt.so.12'),
    null,
  ]);
});

test.each([
  [11, 'nvidia/cublas/lib'],
  [12, 'nvidia/cublas/lib'],
  [13, 'nvidia/cu13/lib'],
])("NVIDIA's Python packages of CUDA %i are looked into, the active environment's first", async (major, wheel) => {
  const here = machine((at) => ({ VIRTUAL_ENV: at('venv'), CONDA_PREFIX: at('conda') }));
  here.add(library(major));
  const added = [
    'venv/lib/python3.12/site-packages',
    'conda/lib/python3.9/site-packages',
    'home/.local/lib/python3.11/site-packages',
    'system/usr/lib/python3/dist-packages',
    'system/usr/local/lib/python3.13/site-packages',
    'system/usr/local/lib/python3.9/dist-packages',
  ].map((name) => here.add(`${name}/${wheel}/libcublasLt.so.${major}`));
  here.add(`venv/lib/python2.7/site-packages/${wheel}/libcublasLt.so.${major}`);
  expect(await cublasLts(here)).toEqual([null, ...added]);
});

test('what an option names is all there is, else what a variable names', async () => {
  const { surroundings, at, add } = machine((at) => ({
    ...{ DINOMALY_CUDA_LIBRARY: at('named.so'), DINOMALY_CUBLASLT: at('named-lt.so') },
    LD_LIBRARY_PATH: at('lib'),
  }));
  for (const name of [library(12), 'lib/libcublasLt.so.12', 'named.so', 'named-lt.so', 'own.so', 'own-lt.so'])
    add(name);
  const pair = (library: string, cublasLt: string) => [[{ library: at(library), cublasLt: at(cublasLt) }]];
  expect((await findPairs({}, surroundings)).libraries).toEqual(pair('named.so', 'named-lt.so'));
  const options = { library: path.relative('.', at('own.so')), cublasLt: at('own-lt.so') };
  expect((await findPairs(options, surroundings)).libraries).toEqual(pair('own.so', 'own-lt.so'));
});

test('what is named and not there is looked for, and not found', async () => {
  const { surroundings, at, add } = machine();
  expect(await findPairs({ library: at('missing.so') }, surroundings)).toEqual({
    looked: [{ file: 'missing.so', place: 'option cuda.library', paths: [at('missing.so')], found: [] }],
    libraries: [],
  });
  add('there.so');
  const { looked, libraries } = await findPairs({ library: at('there.so'), cublasLt: at('missing') }, surroundings);
  expect(looked[1]).toEqual({ file: 'missing', place: 'option cuda.cublasLt', paths: [at('missing')], found: [] });
  expect(libraries).toEqual([[]]);
});

test('a user without a home has no packages there', async () => {
  const { surroundings, add } = machine();
  add(library(12));
  const { looked } = await findPairs({}, { ...surroundings, home: undefined });
  expect(looked.find(({ place }) => place.includes('Python'))!.paths).toEqual([]);
});

test('a folder is no library', async () => {
  const { surroundings, at } = machine();
  mkdirSync(at(library(13)), { recursive: true });
  expect((await findPairs({}, surroundings)).libraries).toEqual([]);
});

test('however long LD_LIBRARY_PATH is, a bounded number of files is looked at', async () => {
  const { surroundings, add } = machine((at) => ({
    LD_LIBRARY_PATH: Array.from({ length: 1000 }, (_, i) => at(`folder${i}`)).join(':'),
  }));
  add(library(13));
  const { looked } = await findPairs({}, surroundings);
  expect(looked.find(({ place }) => place === 'LD_LIBRARY_PATH')!.paths).toHaveLength(32);
});
