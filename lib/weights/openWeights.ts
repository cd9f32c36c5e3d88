import { open, stat } from 'node:fs/promises';
import { DinomalyError } from '../errors';
import { formatError } from './formatError';
import { type OpenFile, readAt } from './readAt';
import { readSafetensors } from './safetensors';
import type { WeightsFile } from './weightsFile';

const ZIP_START = Buffer.from('PK\x03\x04', 'latin1');
/** The magic number that torch before 1.6 pickled first. Two bytes alone could be a safetensors length. */
const PICKLE_START = Buffer.from([0x80, 0x02, 0x8a, 0x0a]);
const LFS_POINTER_START = Buffer.from('version ');

/**
 * Reads the header of a weights file; what it is, its first bytes say, not its name. The file may come from anyone: it
 * is checked in full, and nothing in it is run.
 *
 * @param path a safetensors file, or a `.pth` of `torch.save` (torch 1.6 or newer)
 * @throws ERR_FILE_NOT_FOUND if it cannot be opened; ERR_FILE_FORMAT if it is truncated, damaged, hostile or something else
 */
export async function openWeights(path: string): Promise<WeightsFile> {
  try {
    // Asked first, because opening a pipe would wait for its writer.
    if (!(await stat(path)).isFile()) throw new Error('it is not a regular file');
  } catch (cause) {
    throw notFound(path, cause);
  }
  const handle = await open(path).catch((cause: unknown) => {
    throw notFound(path, cause);
  });
  try {
    return await readHeader({ path, handle, size: (await handle.stat()).size });
  } finally {
    await handle.close();
  }
}

function notFound(path: string, cause: unknown): DinomalyError {
  const message = `A weights file was expected at ${path}: ${(cause as Error).message}`;
  return new DinomalyError('ERR_FILE_NOT_FOUND', message, { cause });
}

async function readHeader(file: OpenFile): Promise<WeightsFile> {
  if (file.size < 8) throw formatError(file.path, `truncated: a weights file was expected, found ${file.size} bytes`);
  const start = await readAt(file, 0, 8);
  if (start.subarray(0, 4).equals(ZIP_START)) {
    // Here, since our own models, which should open at once, are none.
    const { readPyTorch } = require('./pytorch') as typeof import('./pytorch');
    return readPyTorch(file);
  }
  if (start.subarray(0, 4).equals(PICKLE_START)) {
    throw formatError(
      file.path,
      'written by torch before 1.6, whose format is not read. Save it again with a current torch: ' +
        'torch.save(torch.load(path, weights_only=True), path)',
    );
  }
  if (start.equals(LFS_POINTER_START)) {
    throw formatError(file.path, 'a Git LFS pointer, not the file itself. Fetch it with "git lfs pull"');
  }
  return readSafetensors(file);
}
