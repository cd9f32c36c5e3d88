// Compiles sources with nvcc, two at a time; what was compiled from the same bytes by the same command is kept.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../setup.mjs';

const atOnce = 2; // nvcc takes about a GB

const digest = (file) => (existsSync(file) ? createHash('sha256').update(readFileSync(file)).digest('hex') : '');

/** The repository's files that a make rule names after its colon. */
function inputsOf(rule) {
  const names = rule
    .slice(rule.indexOf(':') + 1)
    .replaceAll('\\\n', ' ')
    .split(/(?<!\\)\s+/)
    .filter((name) => name !== '')
    .map((name) => path.relative(root, path.resolve(root, name.replaceAll('\\ ', ' '))));
  return [...new Set(names)].filter((name) => !name.startsWith('..'));
}

/** What nvcc printed when it made the object, or nothing if the object is missing or of something else. */
function remembered(object, record, command) {
  if (!existsSync(object) || !existsSync(record)) return undefined;
  const { log, inputs, command: before } = JSON.parse(readFileSync(record, 'utf8'));
  const same =
    JSON.stringify(before) === JSON.stringify(command) &&
    Object.entries(inputs).every(([name, was]) => digest(path.join(root, name)) === was);
  return same ? log : undefined;
}

/** Resolves to whether nvcc succeeded and what it printed. */
const call = (nvcc, args) =>
  new Promise((resolve) => {
    execFile(nvcc, args, { cwd: root, maxBuffer: 2 ** 28 }, (error, stdout, stderr) => {
      const said = `${stdout}${stderr}`;
      resolve({ ok: !error, log: said.trim() === '' && error ? error.message : said });
    });
  });

async function compileOne({ nvcc, source, options, object }) {
  const [record, rule] = [`${object}.json`, `${object}.d`];
  const command = [nvcc, ...options, '-MD', '-MF', rule, '-c', source, '-o', object];
  const before = remembered(object, record, command);
  if (before !== undefined) return { ok: true, log: before };
  rmSync(record, { force: true });
  const started = Date.now();
  const { ok, log } = await call(nvcc, command.slice(1));
  if (!ok) return { ok, log };
  console.error(`Compiled ${source} in ${((Date.now() - started) / 1000).toFixed(0)} s`);
  const inputs = inputsOf(readFileSync(rule, 'utf8'));
  // What was edited meanwhile was compiled as it was before, or half and half.
  const changedAt = (name) => statSync(path.join(root, name), { throwIfNoEntry: false })?.mtimeMs ?? Infinity;
  if (inputs.every((name) => changedAt(name) < started)) {
    const digests = Object.fromEntries(inputs.map((name) => [name, digest(path.join(root, name))]));
    writeFileSync(record, JSON.stringify({ command, inputs: digests, log }));
  }
  return { ok, log };
}

/**
 * Compiles `[{ source, options }]` into `folder`. Resolves to `[{ source, object, ok, log }]`, in order; `log` is what nvcc
 * printed, whether it succeeded or not.
 */
export async function compileObjects(nvcc, sources, folder) {
  mkdirSync(folder, { recursive: true });
  const results = [];
  let next = 0;
  const work = async () => {
    while (next < sources.length) {
      const index = next++;
      const { source, options } = sources[index];
      const object = path.join(folder, `${source.replaceAll('/', '.')}.o`);
      results[index] = { source, object, ...(await compileOne({ nvcc, source, options, object })) };
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return results;
}
