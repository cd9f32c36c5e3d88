// What worked is remembered in the user's cache folder, for the next processes.
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod/v3';
import { addon } from '../addon';
import { cacheFile, readCached, writeCached } from './cache';
import type { Found } from './find';
import type { Pair, Tested } from './report';
import { deviceReport } from './reportSchema';
import type { Surroundings } from './surroundings';

const mostBytes = 256 * 1024;

const memorySchema = z.strictObject({
  key: z.string(),
  works: z.array(z.strictObject({ library: z.string(), cublasLt: z.string().nullable(), report: deviceReport })),
});

type Memory = z.output<typeof memorySchema>;

/** A hash of everything that may change which library works. */
export async function keyOf({ libraries }: Found, driver: string | null, surroundings: Surroundings): Promise<string> {
  const { env, system, packageFolder } = surroundings;
  const files = [
    ...libraries.flat().flatMap(({ library, cublasLt }) => [library, cublasLt ?? '']),
    path.join(packageFolder, 'package.json'), // which another version replaces
    path.join(system, 'etc/ld.so.cache'), // where the system's loader looks
  ];
  const states = await Promise.all(files.map(stateOf));
  const variables = ['LD_LIBRARY_PATH', 'CUDA_VISIBLE_DEVICES', 'CUDA_DEVICE_ORDER'].map((name) => env[name] ?? null);
  return createHash('sha256')
    .update(JSON.stringify([states, driver, addon().info().gpus, variables]))
    .digest('hex');
}

async function stateOf(file: string): Promise<unknown> {
  const stats = await stat(file).catch(() => undefined);
  return [file, stats?.size, stats?.mtimeMs];
}

/** The pairs that worked when everything was as it is now; undefined: nothing is known. */
export async function recall(key: string, found: Found, surroundings: Surroundings): Promise<Tested[] | undefined> {
  const memory = await readMemory(cacheFile('device.json', surroundings));
  // The file names no library that was not found: whoever can write it cannot have another one loaded.
  if (memory?.key !== key || !memory.works.every((pair) => isAmong(found, pair))) return undefined;
  return memory.works.map((pair) => ({ ...pair, problem: '' }));
}

/** Only what works is worth remembering: what does not may do tomorrow. */
export async function remember(key: string, tested: Tested[], surroundings: Surroundings): Promise<void> {
  const works = tested.flatMap(({ library, cublasLt, report, problem }) =>
    report && problem === '' ? [{ library, cublasLt, report }] : [],
  );
  const file = cacheFile('device.json', surroundings);
  if (works.length > 0 && file !== undefined) await writeCached(file, JSON.stringify({ key, works } satisfies Memory));
}

function isAmong({ libraries }: Found, pair: Pair): boolean {
  return libraries.flat().some(({ library, cublasLt }) => library === pair.library && cublasLt === pair.cublasLt);
}

/** A file that is missing, damaged or of another shape tells nothing. */
async function readMemory(file: string | undefined): Promise<Memory | undefined> {
  try {
    return memorySchema.parse(JSON.parse((file && (await readCached(file, mostBytes))) ?? ''));
  } catch {
    return undefined;
  }
}
