import yauzl from 'yauzl';
import { formatError, quote } from './formatError';
import type { OpenFile } from './readAt';

/** PyTorch writes one entry per tensor; a network of this kind has some hundreds. */
const MAX_ENTRIES = 65_536;

/** An entry's bytes as they lie in the file: stored, not compressed. */
export interface StoredEntry {
  offset: number;
  byteLength: number;
}

/** Lets yauzl read from a handle that its caller closes, and nowhere outside the file. */
class Reader extends yauzl.RandomAccessReader {
  constructor(private readonly file: OpenFile) {
    super();
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, bytesRead?: number) => void,
  ): void {
    if (position + length > this.file.size) {
      process.nextTick(callback, new Error('a record lies outside the file'));
      return;
    }
    this.file.handle
      .read(buffer, offset, length, position)
      .then(({ bytesRead }) => callback(null, bytesRead), callback);
  }

  override close(callback: (error: Error | null) => void): void {
    callback(null);
  }
}

/** All entries of a zip archive in their order. @throws ERR_FILE_FORMAT for a compressed, encrypted or doubled one */
export async function readZip(file: OpenFile): Promise<Map<string, StoredEntry>> {
  const stored = new Map<string, StoredEntry>();
  try {
    const zip = await yauzl.fromRandomAccessReaderPromise(new Reader(file), file.size);
    if (zip.entryCount > MAX_ENTRIES) throw new Error(`it has ${zip.entryCount} entries`);
    for await (const entry of zip.eachEntry()) {
      const name = entry.fileName;
      if (entry.compressionMethod !== 0 || entry.isEncrypted()) {
        throw new Error(`entry ${quote(name)} is compressed or encrypted; torch.save stores entries as they are`);
      }
      if (stored.has(name)) throw new Error(`entry ${quote(name)} stands there twice`);
      const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
      stored.set(name, { offset: fileDataStart, byteLength: entry.compressedSize });
    }
  } catch (cause) {
    throw formatError(file.path, `not a readable zip archive: ${(cause as Error).message}`, cause);
  }
  return stored;
}
