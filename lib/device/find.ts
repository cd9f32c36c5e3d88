import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import type { CudaOptions } from '../types';
import { cublasLtName, cublasLtPlaces, type Place } from './places';
import type { Look, Pair } from './report';
import type { Surroundings } from './surroundings';

/** CUDA's major versions that a library of this package may be built for, the preferred first. */
const majors = [13, 12, 11];

/** Pairs that are there, grouped by library, the preferred first. */
export interface Found {
  looked: Look[];
  libraries: Pair[][];
}

/** Looks for libraries of CUDA kernels and, for each that is there, for cuBLASLt. */
export async function findPairs(options: CudaOptions, surroundings: Surroundings): Promise<Found> {
  const found: Found = { looked: [], libraries: [] };
  for (const { file, major, place } of libraryPlaces(options, surroundings)) {
    const look = await lookAt(file, place);
    found.looked.push(look);
    for (const library of look.found) {
      const looks = await lookForCublasLt(major, options, surroundings);
      found.looked.push(...looks);
      found.libraries.push(await pairsOf(library, looks));
    }
  }
  return found;
}

interface LibraryPlace {
  file: string;
  major: number | undefined;
  place: Place;
}

/** A library that the user names is the only one. */
function libraryPlaces({ library }: CudaOptions, { env, packageFolder }: Surroundings): LibraryPlace[] {
  const named = choice(library, 'option cuda.library', env['DINOMALY_CUDA_LIBRARY'], 'DINOMALY_CUDA_LIBRARY');
  if (named) {
    const file = path.basename(named.path);
    const major = /^dinomaly-cuda(\d+)/.exec(file)?.[1];
    return [{ file, major: major === undefined ? major : Number(major), place: placeOf(named) }];
  }
  return majors.map((major) => {
    const file = `dinomaly-cuda${major}.so`;
    return { file, major, place: { name: 'this package', paths: [path.join(packageFolder, 'prebuilds', file)] } };
  });
}

async function lookForCublasLt(
  major: number | undefined,
  { cublasLt }: CudaOptions,
  surroundings: Surroundings,
): Promise<Look[]> {
  const { env } = surroundings;
  const named = choice(cublasLt, 'option cuda.cublasLt', env['DINOMALY_CUBLASLT'], 'DINOMALY_CUBLASLT');
  if (named) return [await lookAt(path.basename(named.path), placeOf(named))];
  // A library of another name does not tell which cuBLASLt it wants, but asks the loader for it.
  if (major === undefined) return [await lookAt('cuBLASLt', { name: "the system's loader", paths: null })];
  const places = await cublasLtPlaces(major, surroundings);
  return Promise.all(places.map((place) => lookAt(cublasLtName(major), place)));
}

interface Named {
  path: string;
  by: string;
}

/** What an option says, else an environment variable. */
function choice(option: string | undefined, optionName: string, variable: string | undefined, name: string) {
  if (option !== undefined) return { path: path.resolve(option), by: optionName };
  return variable ? { path: path.resolve(variable), by: name } : undefined;
}

function placeOf({ path, by }: Named): Place {
  return { name: by, paths: [path] };
}

async function lookAt(file: string, { name, paths }: Place): Promise<Look> {
  const there = await Promise.all((paths ?? []).map(isFile));
  return { file, place: name, paths, found: (paths ?? []).filter((_, i) => there[i]) };
}

function isFile(file: string): Promise<boolean> {
  return stat(file).then(
    (stats) => stats.isFile(),
    () => false,
  );
}

/** The library with every cuBLASLt once, however many links lead to it. */
async function pairsOf(library: string, looks: Look[]): Promise<Pair[]> {
  const seen = new Set<string>();
  const pairs: Pair[] = [];
  for (const { paths, found } of looks) {
    if (paths === null) pairs.push({ library, cublasLt: null });
    for (const cublasLt of found) {
      const real = await realpath(cublasLt).catch(() => cublasLt);
      if (!seen.has(real)) pairs.push({ library, cublasLt });
      seen.add(real);
    }
  }
  return pairs;
}
