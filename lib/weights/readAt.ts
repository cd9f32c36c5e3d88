import type { FileHandle } from 'node:fs/promises';
import { formatError } from './formatError';

/** An open weights file. */
export interface OpenFile {
  path: string;
  handle: FileHandle;
  size: number;
}

/** Exactly `length` bytes from `offset`. @throws ERR_FILE_FORMAT where the file ends before */
export async function readAt(file: OpenFile, offset: number, length: number): Promise<Buffer> {
  // Checked first: an untrusted length must not choose how much memory is taken.
  if (offset + length > file.size) {
    throw formatError(file.path, `truncated: ${length} bytes expected at ${offset}, the file has ${file.size}`);
  }
  const buffer = Buffer.alloc(length);
  let read = 0;
  while (read < length) {
    const { bytesRead } = await file.handle.read(buffer, read, length - read, offset + read);
    if (bytesRead === 0) throw formatError(file.path, `ended at ${offset + read} while it was read`);
    read += bytesRead;
  }
  return buffer;
}
