// prebuilds/dinomaly-cuda<major>.so: every kernel for every architecture of a toolkit, in one library.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { output, root, run } from '../setup.mjs';
import { architecturesOf, codeOptions } from './architectures.mjs';
import { compileObjects } from './objects.mjs';
import { namesOf, parsePtxas, spilling } from './ptxas.mjs';
import { ensureToolkit } from './toolkits.mjs';

const largest = { file: 25_000_000, packed: 10_000_000 };
const common = ['-std=c++17', '-O3', '-Inative', '-Werror', 'all-warnings'];
const hostOptions = ['-Xcompiler', '-fPIC,-fvisibility=hidden,-Wall,-Wextra'];

const filesIn = (folder, pattern) =>
  readdirSync(path.join(root, folder))
    .filter((name) => pattern.test(name))
    .sort()
    .map((name) => `${folder}/${name}`);

/** What the library is made of. Host sources beside the kernels are CUDA's language too: they see its headers. */
function sourcesFor(architectures) {
  const host = [...common, ...hostOptions];
  const device = [...host, '-x', 'cu', '-Xptxas', '-v', ...codeOptions(architectures)];
  return [
    ...filesIn('native/backend/cuda', /\.(cu|cpp)$/).map((source) => ({ source, options: device })),
    ...['native/backend', 'native/core']
      .flatMap((folder) => filesIn(folder, /\.cpp$/))
      .map((source) => ({ source, options: host })),
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
  const spills = spilling(kernels).map(
    ({ source, name, architecture, stackBytes, spillStoreBytes, spillLoadBytes }) =>
      `${source}: ${name} for ${architecture} leaves its registers: expected no stack and no spills, found ${stackBytes} ` +
      `bytes of stack, ${spillStoreBytes} of spill stores, ${spillLoadBytes} of spill loads`,
  );
  if (failed.length + spills.length > 0) throw new Error([...failed, ...spills].join('\n'));
}

function checkSize(library) {
  const size = { file: statSync(library).size, packed: gzipSync(readFileSync(library)).length };
  const inMegabytes = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;
  for (const [kind, bytes] of Object.entries(size)) {
    if (bytes <= largest[kind]) continue;
    const name = path.relative(root, library);
    throw new Error(`${name}, ${kind}: expected at most ${inMegabytes(largest[kind])}, found ${inMegabytes(bytes)}.`);
  }
  return `${inMegabytes(size.file)}, ${inMegabytes(size.packed)} packed`;
}

function link({ nvcc, options }, objects, library) {
  // Nothing of libcudart is seen from outside: another library's copy may be in the same process.
  const linker = '--strip-all,--no-undefined,--exclude-libs,ALL';
  run(nvcc, [...options, '-shared', '-cudart', 'static', '-Xlinker', linker, ...objects, '-o', library]);
}

/** Builds the library of a CUDA major version, and beside it the table of what its kernels use. */
export async function buildCudaLibrary(major) {
  const toolkit = ensureToolkit(major);
  const architectures = architecturesOf(major, output(toolkit.nvcc, ['--list-gpu-arch']));
  const name = `dinomaly-cuda${major}`;
  const folder = path.join(root, `build-cuda${major}`);
  const target = path.join(root, 'prebuilds', `${name}.so`);
  const report = path.join(root, 'prebuilds', `${name}.ptxas.json`);
  for (const file of [target, report]) rmSync(file, { force: true });
  console.error(`Building ${name}.so with CUDA ${toolkit.release} for ${architectures.join(', ')}`);
  const sources = sourcesFor(architectures).map(({ source, options }) => ({
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
  const size = checkSize(library);
  copyFileSync(library, target);
  console.error(`Written: ${path.relative(root, target)} (${size})`);
}
