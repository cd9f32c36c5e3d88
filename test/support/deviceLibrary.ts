import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Surroundings } from '../../lib/device/surroundings';

const root = path.join(__dirname, '../..');

/** The emulated device's library, which has everything that a GPU's has. */
export const emulated = path.join(root, 'build/Release/dinomaly-emulated.so');

/** Compiles test/support/deviceLibrary.cpp with these macros. */
export function compileLibrary(file: string, macros: Record<string, string> = {}): string {
  mkdirSync(path.dirname(file), { recursive: true });
  const defined = Object.entries(macros).map(([name, value]) => `-D${name}=${value}`);
  const source = path.join(__dirname, 'deviceLibrary.cpp');
  execFileSync('g++', ['-shared', '-fPIC', '-std=c++17', `-I${root}/native`, ...defined, source, '-o', file]);
  return file;
}

/** A file that is there, and no more. */
export function touch(file: string, text = ''): string {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

/** A machine that lies in a folder, without anything of CUDA. */
export function machineIn(folder: string, env: Record<string, string> = {}): Surroundings {
  return {
    env: { PATH: process.env['PATH'], XDG_CACHE_HOME: path.join(folder, 'cache'), ...env },
    home: path.join(folder, 'home'),
    system: path.join(folder, 'system'),
    packageFolder: path.join(folder, 'package'),
    timeLimit: 60_000,
  };
}
