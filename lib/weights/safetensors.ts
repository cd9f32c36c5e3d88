import { formatError, quote } from './formatError';
import { type OpenFile, readAt } from './readAt';
import { type Dtype, dtypeSizes, elementCount, type FileTensor, isSize, type WeightsFile } from './weightsFile';

/** Far above any network's header, and small enough that parsing a hostile one stays harmless. */
const MAX_HEADER_BYTES = 25_000_000;

/** The header of a safetensors file, checked against the file's size: no holes, no overlaps, no byte unaccounted for. */
export async function readSafetensors(file: OpenFile): Promise<WeightsFile> {
  const length = (await readAt(file, 0, 8)).readBigUInt64LE(0);
  if (length > MAX_HEADER_BYTES) {
    throw formatError(
      file.path,
      `a safetensors header of at most ${MAX_HEADER_BYTES} bytes was expected, found ${length}`,
    );
  }
  const start = 8 + Number(length);
  const header = parseHeader(file.path, await readAt(file, 8, Number(length)));
  const metadata = new Map<string, string>();
  const tensors = new Map<string, FileTensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') readMetadata(file.path, entry, metadata);
    else tensors.set(name, readEntry(file.path, name, entry, start));
  }
  checkLayout(file, start, tensors);
  return { path: file.path, metadata, tensors, unusable: new Map() };
}

function parseHeader(path: string, bytes: Buffer): object {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const keys = countKeys(text);
    const header: unknown = JSON.parse(text);
    if (!isObject(header)) throw new Error('an object was expected');
    let kept = 0;
    for (const object of [header, ...Object.values(header).filter(isObject)]) kept += Object.keys(object).length;
    if (kept !== keys) throw new Error('a key stands there twice');
    return header;
  } catch (cause) {
    throw formatError(path, `the safetensors header is damaged: ${(cause as Error).message}`, cause);
  }
}

/** The colons outside strings; JSON.parse alone would drop doubled keys in silence. Refuses what is nested too deeply. */
function countKeys(text: string): number {
  let depth = 0;
  let keys = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c === '\\') i++;
      else if (c === '"') quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === ':') keys++;
    else if (c === '}' || c === ']') depth--;
    else if ((c === '{' || c === '[') && ++depth > 3) throw new Error('it is nested too deeply');
  }
  return keys;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function readMetadata(path: string, entry: unknown, metadata: Map<string, string>): void {
  if (!isObject(entry)) throw formatError(path, '__metadata__ is not an object of strings');
  for (const [key, value] of Object.entries(entry)) {
    if (typeof value !== 'string') throw formatError(path, `__metadata__ has ${quote(key)}, which is not a string`);
    metadata.set(key, value);
  }
}

function readEntry(path: string, name: string, entry: unknown, start: number): FileTensor {
  const { dtype, shape, data_offsets: offsets } = (isObject(entry) ? entry : {}) as Record<string, unknown>;
  if (typeof dtype !== 'string' || !Object.hasOwn(dtypeSizes, dtype)) {
    throw formatError(path, `tensor ${quote(name)} has no known dtype, found ${quote(String(dtype))}`);
  }
  const count = Array.isArray(shape) ? elementCount(shape) : undefined;
  if (count === undefined) throw formatError(path, `tensor ${quote(name)} has no valid shape`);
  const [begin, end] = Array.isArray(offsets) && offsets.length === 2 ? (offsets as unknown[]) : [];
  if (!isSize(begin) || !isSize(end) || begin > end) {
    throw formatError(path, `tensor ${quote(name)} has no valid data_offsets`);
  }
  const byteLength = count * dtypeSizes[dtype as Dtype];
  if (end - begin !== byteLength) {
    throw formatError(path, `tensor ${quote(name)} needs ${byteLength} bytes, its data_offsets hold ${end - begin}`);
  }
  return { dtype: dtype as Dtype, shape: shape as number[], offset: start + begin, byteLength };
}

function checkLayout(file: OpenFile, start: number, tensors: Map<string, FileTensor>): void {
  const ordered = [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.byteLength - b.byteLength);
  let end = start;
  for (const [name, tensor] of ordered) {
    if (tensor.offset !== end) {
      const fault = tensor.offset < end ? 'overlaps the tensor before it' : 'leaves a hole before it';
      throw formatError(file.path, `tensor ${quote(name)} ${fault}`);
    }
    end += tensor.byteLength;
  }
  if (end > file.size) throw formatError(file.path, `truncated: ${end} bytes expected, found ${file.size}`);
  if (end < file.size) throw formatError(file.path, `${end} bytes expected, found ${file.size}: something is behind`);
}
