import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { examine } from '../../lib/device/examine';
import { marker } from '../../lib/device/surroundings';
import { compileLibrary, emulated, machineIn, touch } from '../support/deviceLibrary';
import { temporaryFolder } from '../support/temporaryFolder';

const folder = temporaryFolder();
const machine = machineIn(folder);
const compile = (name: string, macros: Record<string, string>) => compileLibrary(path.join(folder, name), macros);
const examined = (library: string, limit = machine.timeLimit) =>
  examine({ library, cublasLt: null }, { ...machine, timeLimit: limit });

test('a library that works gives its report', async () => {
  const { report, problem } = await examined(emulated);
  expect(report).toMatchObject({ score: 13000, devices: [{ name: 'emulated' }, { name: 'emulated' }] });
  expect(problem).toBe('');
});

test('what a library prints is no part of its report', async () => {
  expect(await examined(compile('prints.so', { WHEN_LOADED: 'std::puts("{}"),std::fflush(stdout)' }))).toMatchObject({
    report: { score: 12040 },
    problem: '',
  });
});

test.each([
  ['is none', () => touch(path.join(folder, 'text.so'), 'Not a library.'), /expected a shared library/],
  ['crashes', () => compile('crash.so', { WHEN_LOADED: '__builtin_trap()' }), /ended with signal SIG(ILL|TRAP)/],
  [
    'ends the process',
    () => compile('exit.so', { WHEN_LOADED: 'std::fputs("no way",stderr),std::exit(3)' }),
    /ended with exit code 3: no way$/,
  ],
  ['says nothing', () => compile('silent.so', { WHEN_LOADED: '_exit(0)' }), /gave no report, but ""/],
  [
    'writes nonsense',
    () => compile('nonsense.so', { WHEN_LOADED: 'static_cast<void>(!write(3,"{}",2)),_exit(0)' }),
    /gave no report, but "\{\}"/,
  ],
  [
    'writes without end',
    () => compile('flood.so', { WHEN_LOADED: 'while(write(3,"0123456789",10)>0)' }),
    /wrote more than 65536 bytes/,
  ],
  ['has no GPU', () => compile('none.so', { DEVICES: '"10.0"' }), /^expected a GPU, found none$/],
  [
    'is given a cuBLASLt of another major version',
    () => compile('major.so', { CUBLASLT: '130000' }),
    /expected cuBLASLt 12, as the library was built for, found 13/,
  ],
])('a library that %s is a finding', async (_, library, problem) => {
  expect((await examined(library())).problem).toMatch(problem);
});

/** Whether a process is there, and no zombie. */
function isAlive(pid: string): boolean {
  const status = `/proc/${pid}/status`;
  return existsSync(status) && !readFileSync(status, 'utf8').includes('State:\tZ');
}

test('a library that hangs is given up, and its process ended', async () => {
  const file = path.join(folder, 'pid');
  const hangs = `if(FILE*f=fopen("${file}","w")){fprintf(f,"%d",getpid());fclose(f);}sleep(600)`;
  const tested = await examined(compile('hang.so', { WHEN_LOADED: hangs }), 3000);
  expect(tested).toMatchObject({ report: null, problem: 'its test did not end within 3 s' });
  const pid = readFileSync(file, 'utf8');
  while (isAlive(pid)) await setTimeout(10); // until jest's own limit
});

test('a process that may open no more files is told so, and goes on', () => {
  const script = path.join(__dirname, '../support/noDescriptors.mjs');
  const command = `ulimit -n 64; exec "${process.execPath}" "${script}"`;
  const found = JSON.parse(execFileSync('sh', ['-c', command], { encoding: 'utf8', timeout: 20_000 })) as unknown;
  const problem = expect.stringMatching(/^its test could not be started: spawn .* EMFILE$/) as unknown;
  expect(found).toEqual({ report: null, problem, listeners: 0 });
});

test('a process that was started as a test starts none', async () => {
  const env = { ...machine.env, [marker]: '1' };
  const { problem } = await examine({ library: emulated, cublasLt: null }, { ...machine, env });
  expect(problem).toMatch(/^not tested, since this process was started as such a test itself/);
});

test.each(['SIGKILL', 'SIGTERM'] as const)('a test ends with its parent, also by %s', async (signal) => {
  const file = path.join(folder, `pid-${signal}`);
  const hangs = `if(FILE*f=fopen("${file}","w")){fprintf(f,"%d.",getpid());fclose(f);}sleep(600)`;
  const library = compile(`hang-${signal}.so`, { WHEN_LOADED: hangs });
  const program = `
    const { examine } = require('./dist/device/examine.js');
    const { surroundings } = require('./dist/device/surroundings.js');
    examine({ library: ${JSON.stringify(library)}, cublasLt: null }, surroundings());`;
  const parent = spawn(process.execPath, ['-e', program], { cwd: path.join(__dirname, '../..'), stdio: 'ignore' });
  const pid = () => /^(\d+)\.$/.exec(existsSync(file) ? readFileSync(file, 'utf8') : '')?.[1];
  while (pid() === undefined) await setTimeout(10); // until jest's own limit
  expect(isAlive(pid()!)).toBe(true);
  parent.kill(signal);
  while (isAlive(pid()!)) await setTimeout(10);
});
