// What a finished library may show, need and take up.
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { output } from '../setup.mjs';

const shown = 'dinomalyDeviceLibrary'; // as native/backend/library/exports.map has it
// Of every machine that runs Node; neither libcudart, which is linked in, nor cuBLASLt, which is opened at run time.
const mayNeed = /^(ld-linux-x86-64|lib(c|dl|gcc_s|m|pthread|rt|stdc\+\+))\.so\.\d+$/;
const debian12 = { GLIBC: '2.36', GLIBCXX: '3.4.30', CXXABI: '1.3.13', GCC: '12.0.0' };
const largest = { file: 25_000_000, packed: 10_000_000 };

const inMegabytes = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;
const isNewer = (version, than) => version.localeCompare(than, 'en', { numeric: true }) > 0;

/** The dynamic symbols that a shared library defines. */
export const exportsOf = (file) =>
  output('nm', ['--dynamic', '--defined-only', '--format=just-symbols', file]).trimEnd().split('\n');

/** What a shared library asks of the machine: `{ libraries, versions }`, versions as `['GLIBC', '2.34']`. */
export function needsOf(objdump) {
  const libraries = [...objdump.matchAll(/^\s*NEEDED\s+(\S+)$/gm)].map(([, name]) => name);
  const versions = [...objdump.matchAll(/\s(GLIBC|GLIBCXX|CXXABI|GCC)_([\d.]+)$/gm)].map(([, ...version]) => version);
  return { libraries, versions };
}

/** What keeps a library with these symbols, needs and sizes from being shipped; empty: nothing. */
export function problemsOf({ exports, needs: { libraries, versions }, size }) {
  const problems = [];
  const expect = (met, expected, found) => {
    if (!met) problems.push(`expected ${expected}, found ${found}`);
  };
  expect(exports.length === 1 && exports[0] === shown, `the symbol ${shown} alone`, exports.join(', ') || 'none');
  expect(libraries.includes('libstdc++.so.6'), 'libstdc++ linked dynamically', libraries.join(', '));
  for (const name of libraries) expect(mayNeed.test(name), 'no need of other libraries than those of Node', name);
  for (const [name, version] of versions)
    expect(!isNewer(version, debian12[name]), `${name} ${debian12[name]} at most, as on Debian 12`, version);
  for (const [kind, bytes] of Object.entries(size))
    expect(bytes <= largest[kind], `at most ${inMegabytes(largest[kind])}, ${kind}`, inMegabytes(bytes));
  return problems;
}

/** Throws unless the library can be shipped; returns its sizes, in words. */
export function checkLibrary(file) {
  const size = { file: statSync(file).size, packed: gzipSync(readFileSync(file)).length };
  const needs = needsOf(output('objdump', ['--private-headers', file]));
  const problems = problemsOf({ exports: exportsOf(file), needs, size });
  if (problems.length > 0) throw new Error(problems.map((text) => `${path.basename(file)}: ${text}.`).join('\n'));
  return `${inMegabytes(size.file)}, ${inMegabytes(size.packed)} packed`;
}
