import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { emulated } from '../support/deviceLibrary';
import { callScript } from '../support/script';

const root = path.join(__dirname, '../..');

// Of CUDA 13.0, shortened: a kernel that calls a function which was not inlined, and one with too few registers.
const log = `ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_Z5callsPfi' for 'sm_75'
ptxas info    : Function properties for _Z5callsPfi
    64 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 34 registers, used 0 barriers, 64 bytes cumulative stack size, 364 bytes cmem[0]
ptxas info    : Compile time = 8.646 ms
ptxas info    : Function properties for _Z3farPfi
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Compiling entry function '_Z6spillsPf' for 'sm_75'
ptxas info    : Function properties for _Z6spillsPf
    40 bytes stack frame, 36 bytes spill stores, 32 bytes spill loads
ptxas info    : Used 64 registers, used 1 barriers, 40 bytes cumulative stack size, 256 bytes smem, 360 bytes cmem[0]
ptxas info    : Compile time = 12.179 ms
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_ZN8dinomaly4cuda12_GLOBAL__N_17scaleByIfEEvPfT_' for 'sm_90'
ptxas info    : Function properties for _ZN8dinomaly4cuda12_GLOBAL__N_17scaleByIfEEvPfT_
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 8 registers, used 0 barriers
`;
const none = { stackBytes: 0, spillStoreBytes: 0, spillLoadBytes: 0 };
const spills = {
  symbol: '_Z6spillsPf',
  architecture: 'sm_75',
  kernel: true,
  registers: 64,
  sharedBytes: 256,
  stackBytes: 40,
  spillStoreBytes: 36,
  spillLoadBytes: 32,
};
const entries = [
  {
    ...none,
    symbol: '_Z5callsPfi',
    architecture: 'sm_75',
    kernel: true,
    registers: 34,
    sharedBytes: 0,
    stackBytes: 64,
  },
  { ...none, symbol: '_Z3farPfi', architecture: 'sm_75', kernel: false },
  spills,
  {
    ...none,
    symbol: '_ZN8dinomaly4cuda12_GLOBAL__N_17scaleByIfEEvPfT_',
    architecture: 'sm_90',
    kernel: true,
    registers: 8,
    sharedBytes: 0,
  },
];

describe('what ptxas says', () => {
  test('is an entry for each kernel and architecture, and for each function that is called', () => {
    expect(callScript('cuda/ptxas.mjs', 'parsePtxas', log)).toEqual(entries);
  });

  test('is nothing for a file without kernels', () => {
    expect(callScript('cuda/ptxas.mjs', 'parsePtxas', 'ptxas info    : 0 bytes gmem\n')).toEqual([]);
  });

  test('fails the build where a kernel leaves its registers, by a stack or by a spill', () => {
    expect(callScript('cuda/ptxas.mjs', 'spilling', entries)).toEqual([entries[0], spills]);
  });

  test('is told under the names of the sources', () => {
    const symbols = entries.map(({ symbol }) => symbol);
    expect(callScript('cuda/ptxas.mjs', 'namesOf', symbols)).toEqual(['calls', 'far', 'spills', 'scaleBy<float>']);
    expect(callScript('cuda/ptxas.mjs', 'namesOf', [])).toEqual([]);
  });
});

describe('architectures', () => {
  const list = (...numbers: number[]) => numbers.map((number) => `compute_${number}\n`).join('');
  const in11 = list(35, 37, 50, 52, 53, 60, 61, 62, 70, 72, 75, 80, 86, 87, 89, 90);
  const in12 = list(50, 52, 53, 60, 61, 62, 70, 72, 75, 80, 86, 87, 89, 90);
  const in13 = list(75, 80, 86, 87, 88, 89, 90, 100, 110, 103, 120, 121);

  test.each([
    [11, in11, [70, 75, 80, 86, 89, 90]],
    [12, in12, [75, 80, 86, 89, 90]],
    [13, in13, [75, 80, 86, 89, 90, 100, 120]],
    [13, list(80, 75), [75, 80]],
  ])('of CUDA %i go as far as its toolkit', (major, listed, expected) => {
    expect(callScript('cuda/architectures.mjs', 'architecturesOf', major, listed)).toEqual(expected);
  });

  test('cannot be chosen from a list that names none', () => {
    expect(() => callScript('cuda/architectures.mjs', 'architecturesOf', 13, 'nothing')).toThrow(/found: nothing/);
  });

  test('get real code each, and the newest PTX too', () => {
    const options = ['-gencode', 'arch=compute_75,code=[sm_75]', '-gencode', 'arch=compute_90,code=[sm_90,compute_90]'];
    expect(callScript('cuda/architectures.mjs', 'codeOptions', 11, [75, 90])).toEqual(options);
  });

  test('get what 9.0 alone has where the toolkit knows of it', () => {
    const codes = (...architectures: number[]) =>
      callScript('cuda/architectures.mjs', 'codeOptions', 12, architectures);
    const real = ['-gencode', 'arch=compute_90a,code=[sm_90a]'];
    expect(codes(90)).toEqual([...real, '-gencode', 'arch=compute_90,code=[compute_90]']);
    expect(codes(90, 100)).toEqual([...real, '-gencode', 'arch=compute_100,code=[sm_100,compute_100]']);
  });
});

describe("Debian's mirror", () => {
  const targets = `http://mirror.test/debian-security/ bookworm-security main
http://mirror.test/debian/ bookworm main
http://other.test/ stable main
`;
  test("is the one of the system's own suite", () => {
    expect(callScript('cuda/debian.mjs', 'mirrorOf', targets, 'bookworm')).toBe('http://mirror.test/debian/');
  });

  test('is missed in words', () => {
    expect(() => callScript('cuda/debian.mjs', 'mirrorOf', targets, 'noble')).toThrow(/none of apt's sources.*'noble'/);
  });
});

describe('npm run prebuild -- --cuda', () => {
  test('names major versions', () => {
    expect(callScript('cuda/toolkits.mjs', 'parseMajors', '11,12,13')).toEqual([11, 12, 13]);
    expect(callScript('cuda/toolkits.mjs', 'parseMajors', '13,13')).toEqual([13]);
  });

  test.each(['10', '', '12.4', '13,'])('rejects %j before anything is built', (text) => {
    const prebuild = path.join(root, 'scripts/prebuild.mjs');
    const { status, stdout, stderr } = spawnSync(process.execPath, [prebuild, '--cuda', text], { encoding: 'utf8' });
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toBe(`--cuda: expected some of 11,12,13, found '${text}'. Example: --cuda 12,13\n`);
  });
});

describe('a library', () => {
  const shippable = {
    exports: ['dinomalyDeviceLibrary'],
    needs: {
      libraries: ['libdl.so.2', 'libstdc++.so.6', 'libc.so.6', 'ld-linux-x86-64.so.2'],
      versions: [
        ['GLIBC', '2.2.5'],
        ['GLIBC', '2.34'],
        ['GLIBCXX', '3.4.30'],
        ['CXXABI', '1.3.13'],
      ],
    },
    size: { file: 25_000_000, packed: 10_000_000 },
  };
  const problemsOf = (found: object) => callScript('cuda/library.mjs', 'problemsOf', { ...shippable, ...found });
  const needing = (...libraries: string[]) => ({ needs: { ...shippable.needs, libraries } });

  test('is made of the backend and of what it calls', () => {
    const sources = callScript('cuda/build.mjs', 'sourcesFor', 13, [75, 90]) as { source: string; options: string[] }[];
    const kernels = readdirSync(path.join(root, 'native/backend/cuda')).filter((name) => name.endsWith('.cu'));
    expect(sources.map(({ source }) => source).sort()).toEqual(
      [
        ...kernels.map((name) => `native/backend/cuda/${name}`),
        'native/backend/backend.cpp',
        'native/backend/buffer_pool.cpp',
        'native/backend/host_memory.cpp',
      ].sort(),
    );
    for (const { source, options } of sources) {
      const line = options.join(' ');
      expect(line).toContain('-Werror all-warnings');
      expect(line).toMatch(/-fPIC,-fvisibility=hidden,-Wall,-Wextra/);
      expect(line.includes('-Xptxas -v -gencode arch=compute_75,code=[sm_75]')).toBe(source.endsWith('.cu'));
    }
  });

  test('shows one symbol, as the emulated device does', () => {
    expect(callScript('cuda/library.mjs', 'exportsOf', emulated)).toEqual(['dinomalyDeviceLibrary']);
  });

  test('tells what it needs of the machine', () => {
    const objdump = `
Dynamic Section:
  NEEDED               libstdc++.so.6
  NEEDED               libc.so.6
  INIT                 0x0000000000009000

Version References:
  required from libstdc++.so.6:
    0x08922974 0x00 04 GLIBCXX_3.4
  required from libc.so.6:
    0x09691a75 0x00 02 GLIBC_2.2.5
    0x069691b4 0x00 03 GLIBC_2.34
`;
    expect(callScript('cuda/library.mjs', 'needsOf', objdump)).toEqual({
      libraries: ['libstdc++.so.6', 'libc.so.6'],
      versions: [
        ['GLIBCXX', '3.4'],
        ['GLIBC', '2.2.5'],
        ['GLIBC', '2.34'],
      ],
    });
  });

  test('is shipped as it should be', () => {
    expect(problemsOf({})).toEqual([]);
  });

  const versions = [['GLIBC', '2.38']];
  test.each([
    [
      'more symbols',
      { exports: ['dinomalyDeviceLibrary', 'cudaMalloc'] },
      'alone, found dinomalyDeviceLibrary, cudaMalloc',
    ],
    ['no symbol', { exports: [''] }, 'expected the symbol dinomalyDeviceLibrary alone, found none'],
    ['static libstdc++', needing('libc.so.6'), 'expected libstdc++ linked dynamically, found libc.so.6'],
    ['dynamic libcudart', needing('libstdc++.so.6', 'libcudart.so.13'), 'those of Node, found libcudart.so.13'],
    ['linked cuBLASLt', needing('libstdc++.so.6', 'libcublasLt.so.13'), 'those of Node, found libcublasLt.so.13'],
    ['a newer glibc', { needs: { ...shippable.needs, versions } }, 'GLIBC 2.36 at most, as on Debian 12, found 2.38'],
    ['a large file', { size: { file: 25_100_000, packed: 1 } }, 'expected at most 25.00 MB, file, found 25.10 MB'],
    ['a large archive', { size: { file: 1, packed: 10_100_000 } }, 'at most 10.00 MB, packed, found 10.10 MB'],
  ])('is not shipped with %s', (_, found, problem) => {
    expect(problemsOf(found)).toEqual([expect.stringContaining(problem)]);
  });
});
