import { mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { examineAll } from '../../lib/device/examineAll';
import { findPairs } from '../../lib/device/find';
import type { CudaReport } from '../../lib/device/report';
import type { Surroundings } from '../../lib/device/surroundings';
import { compileLibrary, machineIn, touch } from '../support/deviceLibrary';
import { temporaryFolder } from '../support/temporaryFolder';

const folder = temporaryFolder();
let machines = 0;

/** A machine of its own for each test, with libraries made of these macros and these names of cuBLASLt. */
function machine(libraries: Record<number, Record<string, string>>, cublasLt: string[] = []) {
  const here = path.join(folder, String(machines++));
  const at = (name: string) => path.join(here, name);
  for (const [major, macros] of Object.entries(libraries)) {
    const versions = { TOOLKIT: `${major}000`, CUBLASLT: `${major}0000` };
    compileLibrary(at(`package/prebuilds/dinomaly-cuda${major}.so`), { ...versions, ...macros });
    for (const name of cublasLt) touch(at(`${name}/libcublasLt.so.${major}`));
  }
  return { at, surroundings: machineIn(here, { LD_LIBRARY_PATH: cublasLt.map(at).join(':') }) };
}

/** Modules that remember nothing, within jest.isolateModulesAsync. */
const newProcess = () => jest.requireActual<typeof import('../../lib/device/search')>('../../lib/device/search');

/** What a new process finds: nothing is remembered but in the cache folder. */
async function choose(
  surroundings: Surroundings,
  ordinal?: number,
): Promise<{ library: string; cublasLt: string | null; ordinal: number } | CudaReport> {
  let result: unknown;
  await jest.isolateModulesAsync(async () => {
    const { chooseCuda } = newProcess();
    const found = await chooseCuda(ordinal, {}, surroundings);
    const { pair } = found as { pair?: { library: string; cublasLt: string | null } };
    result = pair ? { ...pick(pair), ordinal: (found as { ordinal: number }).ordinal } : found;
  });
  return result as never;
}

const pick = ({ library, cublasLt }: { library: string; cublasLt: string | null }) => ({
  library: path.basename(library),
  cublasLt: cublasLt && path.basename(path.dirname(cublasLt)),
});

describe('what is taken', () => {
  test('the newest toolkit of those that work', async () => {
    const { surroundings } = machine({ 11: {}, 12: {}, 13: { DEVICES: '"12.0"' } });
    expect(await choose(surroundings)).toEqual({ library: 'dinomaly-cuda12.so', cublasLt: null, ordinal: 0 });
  });

  test('the lowest GPU that any library can use, before a newer toolkit on another', async () => {
    const { surroundings, at } = machine({ 12: { DEVICES: '"9.0 10.0"' }, 13: { DEVICES: '"10.0 9.0"' } });
    expect(await choose(surroundings)).toMatchObject({ library: 'dinomaly-cuda12.so', ordinal: 0 });
    const { device, candidates } = await newProcess().inspectCuda(surroundings);
    expect(device).toBe('cuda:0');
    const whys = candidates.map(({ library, why }) => [library, why]);
    const expected = (major: number) => at(`package/prebuilds/dinomaly-cuda${major}.so`);
    expect(whys).toEqual([
      [
        expected(13),
        expect.stringMatching(/^not taken: expected a GPU 0 that it has code for, found GPU 0: G+ \(10\.0/),
      ],
      [expected(12), expect.stringMatching(/^taken: CUDA 12\.0.*; GPU 0 is G+ /)],
    ]);
  });

  test('a library that has code for the GPU that is asked for', async () => {
    const { surroundings } = machine({ 12: { DEVICES: '"7.0 9.0 10.0"' }, 13: { DEVICES: '"10.0 9.0 10.0"' } });
    expect(await choose(surroundings)).toMatchObject({ library: 'dinomaly-cuda12.so', ordinal: 0 });
    expect(await choose(surroundings, 1)).toMatchObject({ library: 'dinomaly-cuda13.so', ordinal: 1 });
    expect(await choose(surroundings, 0)).toMatchObject({ library: 'dinomaly-cuda12.so', ordinal: 0 });
    const report = (await choose(surroundings, 2)) as CudaReport;
    expect(report.device).toBeNull();
    expect(report.candidates[0]!.why).toMatch(
      /^not taken: expected a GPU 2 that it has code for, found GPU 0: G+ \(10\.0, no code for it\), GPU 1: /,
    );
  });

  test('the first cuBLASLt with which the library works', async () => {
    const names = ['crash', 'broken', 'good', 'too-late'];
    const { surroundings, at } = machine({ 12: {} }, names);
    expect(await choose(surroundings)).toEqual({ library: 'dinomaly-cuda12.so', cublasLt: 'good', ordinal: 0 });
    const tested = await examineAll(await findPairs({}, surroundings), surroundings);
    expect(tested.map(({ cublasLt, problem }) => [cublasLt, problem])).toEqual([
      [at('crash/libcublasLt.so.12'), expect.stringContaining('SIGABRT')],
      [at('broken/libcublasLt.so.12'), 'expected a cuBLASLt, found a broken one'],
      [at('good/libcublasLt.so.12'), ''],
      [at('too-late/libcublasLt.so.12'), 'the library works with another cuBLASLt already'],
      [null, 'the library works with another cuBLASLt already'],
    ]);
  });

  test('nothing where the library finds no GPU: no other cuBLASLt is tried', async () => {
    const { surroundings } = machine({ 12: { DEVICES: '""' } }, ['good']);
    const { candidates } = (await choose(surroundings)) as CudaReport;
    expect(candidates.map(({ why }) => why)).toEqual([
      'not taken: expected a GPU, found none',
      'not taken: the library has no GPU to compute on, whatever the cuBLASLt',
    ]);
  });

  test('nothing after a hang: all tests of a library have one time limit', async () => {
    const { surroundings } = machine({ 12: {} }, ['hang', 'good']);
    const { candidates } = (await choose({ ...surroundings, timeLimit: 2000 })) as CudaReport;
    expect(candidates.map(({ why }) => why)).toEqual([
      'not taken: its test did not end within 2 s',
      'not taken: not tested, since the tests of this library took too long already',
      'not taken: not tested, since the tests of this library took too long already',
    ]);
  });
});

describe('what worked', () => {
  const counting = { WHEN_LOADED: 'if(FILE*f=fopen(std::getenv("COUNT"),"a"))fputc(0x31,f),fclose(f)' };

  /** A machine whose library counts how often it is loaded. */
  function countedMachine() {
    const here = machine({ 12: counting });
    here.surroundings.env['COUNT'] = here.at('count');
    const file = here.at('cache/dinomaly-native/device.json');
    const library = here.at('package/prebuilds/dinomaly-cuda12.so');
    return { ...here, file, library, loads: () => readFileSync(here.at('count'), 'utf8').length };
  }

  const taken = { library: 'dinomaly-cuda12.so', cublasLt: null, ordinal: 0 };

  test('is taken again without a test, in this process and in the next', async () => {
    const { surroundings, loads, file } = countedMachine();
    await jest.isolateModulesAsync(async () => {
      const { chooseCuda } = newProcess();
      await Promise.all([chooseCuda(undefined, {}, surroundings), chooseCuda(undefined, {}, surroundings)]);
      expect(loads()).toBe(1);
      rmSync(file);
      await chooseCuda(undefined, {}, surroundings);
      expect(loads()).toBe(1);
    });
    await choose(surroundings);
    expect(loads()).toBe(2); // the file was removed
    expect(await choose(surroundings)).toEqual(taken);
    expect(loads()).toBe(2);
  });

  test.each<[string, (here: ReturnType<typeof countedMachine>) => void]>([
    ['the library', ({ library }) => utimesSync(library, 1, 1)],
    ['the driver', ({ at }) => touch(at('system/proc/driver/nvidia/version'), 'NVRM version: 580.65.06\n')],
    ['the package', ({ at }) => touch(at('package/package.json'), '{}')],
    ["the loader's cache", ({ at }) => touch(at('system/etc/ld.so.cache'), 'other')],
    ['which GPUs are visible', ({ surroundings }) => (surroundings.env['CUDA_VISIBLE_DEVICES'] = '1')],
  ])('is tested anew when %s changes', async (_, change) => {
    const here = countedMachine();
    await choose(here.surroundings);
    change(here);
    expect(await choose(here.surroundings)).toEqual(taken);
    expect(here.loads()).toBe(2);
  });

  test.each<[string, (written: string) => string]>([
    ['cut off', (written) => written.slice(0, -10)],
    ['nonsense', () => '[]'],
    ['of another shape', (written) => written.replace('"works"', '"work"')],
    ['too large', (written) => written + ' '.repeat(300_000)],
    ['naming a library that was not found', (written) => written.replace('dinomaly-cuda12.so', 'hostile.so')],
    ['naming a cuBLASLt that was not found', (written) => written.replace('"cublasLt":null', '"cublasLt":"/hostile"')],
  ])('is tested anew when its file is %s', async (_, damage) => {
    const { surroundings, loads, file } = countedMachine();
    await choose(surroundings);
    const written = readFileSync(file, 'utf8');
    expect(damage(written)).not.toBe(written);
    writeFileSync(file, damage(written));
    expect(await choose(surroundings)).toEqual(taken);
    expect(loads()).toBe(2);
    expect(readFileSync(file, 'utf8')).toBe(written);
  });

  test.each<[string, (file: string) => void]>([
    ['a file where a folder should be', (file) => touch(path.dirname(file))],
    ['a folder where the file should be', (file) => mkdirSync(file, { recursive: true })],
  ])('is taken all the same with a cache folder that is %s', async (_, spoil) => {
    const { surroundings, file } = countedMachine();
    spoil(file);
    expect(await choose(surroundings)).toEqual(taken);
  });

  test('is taken all the same where no cache can be made', async () => {
    const { surroundings, loads } = countedMachine();
    surroundings.env['XDG_CACHE_HOME'] = '/proc';
    expect([await choose(surroundings), await choose(surroundings)]).toEqual([taken, taken]);
    expect(loads()).toBe(2);
  });

  test('lies in ~/.cache without XDG_CACHE_HOME, or with one that is relative', async () => {
    for (const cache of [undefined, 'relative']) {
      const { surroundings, at } = countedMachine();
      surroundings.env['XDG_CACHE_HOME'] = cache;
      mkdirSync(at('home'));
      await choose(surroundings);
      expect(readFileSync(at('home/.cache/dinomaly-native/device.json'), 'utf8')).toContain('dinomaly-cuda12.so');
    }
  });

  test('lies nowhere for a user without a home', async () => {
    const { surroundings, loads } = countedMachine();
    surroundings.env['XDG_CACHE_HOME'] = undefined;
    const homeless = { ...surroundings, home: undefined };
    expect([await choose(homeless), await choose(homeless)]).toEqual([taken, taken]);
    expect(loads()).toBe(2);
  });

  test('is all that the next process is told: what failed is remembered in this one, until somebody inspects', async () => {
    const { surroundings, at } = machine({ 12: { ...counting, DEVICES: '""' } });
    surroundings.env['COUNT'] = at('count');
    const loads = () => readFileSync(at('count'), 'utf8').length;
    await jest.isolateModulesAsync(async () => {
      const { chooseCuda, inspectCuda } = newProcess();
      const first = await chooseCuda(undefined, {}, surroundings);
      expect(await chooseCuda(undefined, {}, surroundings)).toEqual(first);
      expect(loads()).toBe(1);
      expect(await inspectCuda(surroundings)).toEqual(first);
      expect(loads()).toBe(2);
    });
    await choose(surroundings);
    expect(loads()).toBe(3);
  });
});
