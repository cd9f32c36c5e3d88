// prebuilds/dinomaly-cuda<major>.so: every kernel for every architecture of a toolkit, in one library.
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { output, root, run } from '../setup.mjs';
import { architecturesOf, codeOptions } from './architectures.mjs';
import { checkLibrary } from './library.mjs';
import { compileObjects } from './objects.mjs';
import { namesOf, parsePtxas, spilling } from './ptxas.mjs';
import { ensureToolkit } from './toolkits.mjs';

const common = ['-std=c++17', '-O3', '-Inative', '-Werror', 'all-warnings'];
const hostOptions = ['-Xcompiler', '-fPIC,-fvisibility=hidden,-Wall,-Wextra'];

const filesIn = (folder, pattern) =>
  readdirSync(path.join(root, folder))
    .filter((name) => pattern.test(name))
    .sort()
    .map((name) => `${folder}/${name}`);

/** What the library is made of; what is missing here the linker misses too. */
export function sourcesFor(major, architectures) {
  const host = [...common, ...hostOptions];
  const device = [...host, '-Xptxas', '-v', ...codeOptions(major, architectures)];
  return [
    ...filesIn('native/backend/cuda', /\.cu$/).map((source) => ({ source, options: device })),
    ...['native/backend/backend.cpp', 'native/backend/buffer_pool.cpp', 'native/backend/host_memory.cpp'].map(
      (source) => ({ source, options: host }),
    ),
  ];
}

const order = ({ source, name, architecture }) => `${source} ${name} ${architecture}`;

/** One entry for each function and architecture, in an order that stays. */
function kernelTable(objects) {
  const entries = objects.flatMap(({ source, log }) =>
    parsePtxas(log).map((entry) => ({ source: path.basename(source), ...entry })),
  );
  const names = namesOf(entries.map(({ symbol }) => symbol));
  return entries
    .map(({ symbol, ...entry }, index) => ({ name: names[index] ?? symbol, ...entry }))
    .sort((a, b) => order(a).localeCompare(order(b), 'en', { numeric: true }));
}

/** JSON with a line for each kernel and architecture. */
function writeTable(file, { release }, architectures, kernels) {
  const lines = kernels.map((entry) => JSON.stringify(entry)).join(',\n');
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(
    file,
    `{"cuda":${JSON.stringify(release)},"architectures":${JSON.stringify(architectures)},"kernels":[\n${lines}\n]}\n`,
  );
}

/** What must be mended before anything is linked, all of it at once, as one error. */
function checkObjects(objects, kernels) {
  const isTable = (line) => line.startsWith('ptxas info') || line.includes('bytes stack frame');
  const failed = objects
    .filter(({ ok }) => !ok)
    .map(({ source, log }) => {
      const lines = log.split('\n').filter((line) => !isTable(line));
      return `${source} does not compile:\n${lines.join('\n').trimEnd()}`;
    });
  const waiting = objects
    .filter(({ ok, log }) => ok && log.includes('Potential Performance Loss'))
    .map(({ source, log }) => {
      const lines = log.split('\n').filter((line) => line.includes('Potential Performance Loss'));
      return `${source}: expected products that nothing waits for too early, found:\n${lines.join('\n')}`;
    });
  const spills = spilling(kernels).map(
    ({ source, name, architecture, stackBytes, spillStoreBytes, spillLoadBytes }) =>
      `${source}: ${name} for ${architecture} leaves its registers: expected no stack and no spills, found ${stackBytes} ` +
      `bytes of stack, ${spillStoreBytes} of spill stores, ${spillLoadBytes} of spill loads`,
  );
  const problems = [...failed, ...waiting, ...spills];
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

function link({ nvcc, options }, objects, library) {
  // Nothing of libcudart is seen from outside: another library's copy may be in the same process.
  const linker = '--strip-all,--no-undefined,--version-script=native/backend/library/exports.map';
  run(nvcc, [...options, '-shared', '-cudart', 'static', '-Xlinker', linker, ...objects, '-o', library]);
}

/** Builds the library of a CUDA major version; beside it lie the table of what its kernels use and the toolkit's licence. */
export async function buildCudaLibrary(major) {
  const toolkit = ensureToolkit(major);
  const architectures = architecturesOf(major, output(toolkit.nvcc, ['--list-gpu-arch']));
  const name = `dinomaly-cuda${major}`;
  const folder = path.join(root, `build-cuda${major}`);
  const target = path.join(root, 'prebuilds', `${name}.so`);
  const report = path.join(root, 'prebuilds', `${name}.ptxas.json`);
  const licence = path.join(root, 'prebuilds', `${name}.license.txt`);
  for (const file of [target, report, licence]) rmSync(file, { force: true });
  console.error(`Building ${name}.so with CUDA ${toolkit.release} for ${architectures.join(', ')}`);
  const sources = sourcesFor(major, architectures).map(({ source, options }) => ({
    source,
    options: [...toolkit.options, ...options],
  }));
  const objects = await compileObjects(toolkit.nvcc, sources, folder);

  const kernels = kernelTable(objects.filter(({ ok }) => ok));
  writeTable(report, toolkit, architectures, kernels);
  checkObjects(objects, kernels);

  const library = path.join(folder, `${name}.so`);
  link(
    toolkit,
    objects.map(({ object }) => object),
    library,
  );
  const size = checkLibrary(library);
  copyFileSync(library, target);
  copyFileSync(toolkit.licence, licence);
  console.error(`Written: ${path.relative(root, target)} (${size})`);
}
