// Files that appear whole or not at all, as native/session/atomic_file.h writes a model's.
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { DinomalyError } from './errors';

/**
 * Writes to a temporary file in the same folder and renames it when all is on disk; what lay there stays whole until then.
 *
 * @throws ERR_IO; a DinomalyError of `pieces` as it is
 */
export async function writeAtomically(file: string, pieces: Iterable<Uint8Array>): Promise<void> {
  try {
    await write(file, pieces);
  } catch (cause) {
    if (cause instanceof DinomalyError) throw cause;
    throw new DinomalyError(
      'ERR_IO',
      `'${file}' could not be written: ${(cause as Error).message}. ` +
        'Expected: a folder that exists, may be written to and has room.',
      { cause },
    );
  }
}

async function write(file: string, pieces: Iterable<Uint8Array>): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (found && !found.isFile()) throw new Error('expected a file or nothing there, found a folder or device');
  const folder = path.dirname(file);
  await removeStale(folder, path.basename(file));
  const temporary = path.join(folder, `.${path.basename(file)}.${process.pid}-${randomUUID()}.tmp`);
  const created = await open(temporary, 'wx'); // a file of that name would be another's, and stays
  try {
    await writeSynced(created, pieces);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

async function writeSynced(handle: FileHandle, pieces: Iterable<Uint8Array>): Promise<void> {
  try {
    await writeFile(handle, pieces);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The name must outlive a power cut too. File systems that cannot sync a folder say EINVAL. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder);
  try {
    await handle.sync();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
  } finally {
    await handle.close();
  }
}

/** Removes what killed processes left behind of a file. */
async function removeStale(folder: string, name: string): Promise<void> {
  const entries = await readdir(folder).catch(() => []); // opening the temporary file will tell why
  for (const entry of entries) {
    if (!entry.startsWith(`.${name}.`)) continue;
    const [, pid] = /^(\d+)-[\da-f-]{36}\.tmp$/.exec(entry.slice(name.length + 2)) ?? [];
    if (pid !== undefined && !isAlive(Number(pid))) await rm(path.join(folder, entry), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
