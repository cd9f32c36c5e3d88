// Files in the user's cache folder. Whatever is wrong with one, only time is lost.
import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Surroundings } from './surroundings';

/** Undefined where the user has none. */
export function cacheFolder({ env, home }: Surroundings): string | undefined {
  const folder = env['XDG_CACHE_HOME'];
  const cache = folder && path.isAbsolute(folder) ? folder : home && path.join(home, '.cache');
  return cache && path.join(cache, 'dinomaly-native');
}

/** Undefined where the user has no folder for it. */
export function cacheFile(name: string, around: Surroundings): string | undefined {
  const folder = cacheFolder(around);
  return folder && path.join(folder, name);
}

/** And the folder that it lies in, but no other. */
export async function makeCacheFolder(folder: string): Promise<void> {
  // Not recursive: where a folder cannot be made, as in /proc, Node would try for ever.
  for (const each of [path.dirname(folder), folder]) await mkdir(each).catch(() => {});
}

/** Undefined for a file that is missing, cannot be read or is larger than `mostBytes`. */
export async function readCached(file: string, mostBytes: number): Promise<string | undefined> {
  try {
    const stats = await stat(file);
    return stats.isFile() && stats.size <= mostBytes ? await readFile(file, 'utf8') : undefined;
  } catch {
    return undefined;
  }
}

/** Whole or not at all. */
export async function writeCached(file: string, text: string): Promise<void> {
  await makeCacheFolder(path.dirname(file));
  const temporary = `${file}.${randomUUID()}`;
  const created = await open(temporary, 'wx').catch(() => undefined);
  if (!created) return;
  try {
    await created.writeFile(text).finally(() => created.close());
    await rename(temporary, file);
  } catch {
    await rm(temporary, { force: true }).catch(() => {});
  }
}
