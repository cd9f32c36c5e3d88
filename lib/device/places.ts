// Where NVIDIA's cuBLASLt may lie. It is no part of this package: hundreds of megabytes that most machines with a GPU have.
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { Surroundings } from './surroundings';

/** Paths in the order in which they are preferred; null: left to the system's loader. */
export interface Place {
  name: string;
  paths: string[] | null;
}

/** Folders that are looked into at one place, at most. */
const mostFolders = 32;

/** Every place for a major version, the preferred first. */
export async function cublasLtPlaces(major: number, surroundings: Surroundings): Promise<Place[]> {
  const { env, system } = surroundings;
  const place = (name: string, folders: string[]) => ({
    name,
    paths: folders.slice(0, mostFolders).map((folder) => path.join(folder, cublasLtName(major))),
  });
  return [
    place('LD_LIBRARY_PATH', absolute(env['LD_LIBRARY_PATH']?.split(':'))),
    place('CUDA_PATH', absolute([env['CUDA_PATH']]).flatMap(under('lib64', 'lib'))),
    place('CUDA_HOME', absolute([env['CUDA_HOME']]).flatMap(under('lib64', 'lib'))),
    place('CONDA_PREFIX', absolute([env['CONDA_PREFIX']]).flatMap(under('lib'))),
    place('/usr/local/cuda*', (await toolkits(system)).flatMap(under('lib64', 'targets/x86_64-linux/lib'))),
    { name: "the system's loader", paths: null },
    place(
      "NVIDIA's Python packages",
      (await sitePackages(surroundings)).flatMap(under(major >= 13 ? `nvidia/cu${major}/lib` : 'nvidia/cublas/lib')),
    ),
  ];
}

export function cublasLtName(major: number): string {
  return `libcublasLt.so.${major}`;
}

function under(...names: string[]): (folder: string) => string[] {
  return (folder) => names.map((name) => path.join(folder, name));
}

function absolute(folders: (string | undefined)[] = []): string[] {
  return folders.filter((folder) => folder !== undefined).filter((folder) => path.isAbsolute(folder));
}

async function toolkits(system: string): Promise<string[]> {
  return newestFirst(path.join(system, 'usr/local'), /^cuda(-[\d.]+)?$/);
}

/** Folders of Python's installed packages: the active environment's, the user's, the system's. */
async function sitePackages({ env, home, system }: Surroundings): Promise<string[]> {
  const environments = absolute([env['VIRTUAL_ENV'], env['CONDA_PREFIX'], home && path.join(home, '.local')]);
  const folders = [
    ...environments.map((folder) => ({ folder: path.join(folder, 'lib'), names: ['site-packages'] })),
    { folder: path.join(system, 'usr/lib'), names: ['dist-packages'] },
    { folder: path.join(system, 'usr/local/lib'), names: ['site-packages', 'dist-packages'] },
  ];
  const found = folders.map(async ({ folder, names }) =>
    (await newestFirst(folder, /^python3(\.\d+)?$/)).flatMap(under(...names)),
  );
  return (await Promise.all(found)).flat();
}

/** Folders in `parent` whose name matches, higher versions first. */
async function newestFirst(parent: string, name: RegExp): Promise<string[]> {
  const entries = await readdir(parent).catch(() => []);
  return entries
    .filter((entry) => name.test(entry))
    .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
    .map((entry) => path.join(parent, entry));
}
