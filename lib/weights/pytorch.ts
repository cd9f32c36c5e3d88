import { formatError, quote } from './formatError';
import { GlobalName, Placeholder, type PickleValue, TorchTensor } from './pickleValue';
import { type OpenFile, readAt } from './readAt';
import { torchBuilder } from './torchBuilder';
import { unpickle } from './unpickle';
import { dtypeSizes, elementCount, type FileTensor, type WeightsFile } from './weightsFile';
import { readZip, type StoredEntry } from './zip';

/** The pickle describes tensors; their numbers lie in entries of their own. */
const MAX_PICKLE_BYTES = 64 * 2 ** 20;

/** Where training scripts put the weights in what they save. */
const wrappers = ['state_dict', 'model'];

/** The tensors of what `torch.save` wrote (the zip format, torch 1.6 and newer): a state dict, or a dict that has one. */
export async function readPyTorch(file: OpenFile): Promise<WeightsFile> {
  const entries = await readZip(file);
  const root = [...entries.keys()][0]?.split('/')[0];
  const pickle = entries.get(`${root}/data.pkl`);
  if (pickle === undefined) throw formatError(file.path, `a zip archive, but not of torch.save: no ${root}/data.pkl`);
  if (pickle.byteLength > MAX_PICKLE_BYTES) {
    throw formatError(file.path, `data.pkl has ${pickle.byteLength} bytes; at most ${MAX_PICKLE_BYTES} are read`);
  }
  await checkByteOrder(file, entries.get(`${root}/byteorder`));
  const tensors = new Map<string, FileTensor>();
  const unusable = new Map<string, string>();
  for (const [name, value] of stateDict(file.path, await load(file, pickle))) {
    if (typeof name !== 'string') continue;
    if (value instanceof TorchTensor) {
      const placed = place(value, entries.get(`${root}/data/${value.storage.key}`));
      if (typeof placed === 'string') unusable.set(name, placed);
      else tensors.set(name, placed);
    } else if (value instanceof Placeholder)
      unusable.set(name, `it depends on ${quote(value.what)}, which is not built`);
  }
  if (tensors.size === 0 && unusable.size === 0) throw formatError(file.path, 'it holds no tensors');
  // Tensors may share a record; a small file could so ask for any amount of memory.
  let total = 0;
  for (const { byteLength } of tensors.values()) total += byteLength;
  if (total > file.size) throw formatError(file.path, `its tensors take ${total} bytes, the file has ${file.size}`);
  return { path: file.path, metadata: new Map(), tensors, unusable };
}

async function checkByteOrder(file: OpenFile, entry: StoredEntry | undefined): Promise<void> {
  // Absent in files of torch before 2.1.
  if (entry === undefined) return;
  const order = (await readAt(file, entry.offset, Math.min(entry.byteLength, 16))).toString('latin1');
  if (order !== 'little') throw formatError(file.path, `byte order "little" was expected, found ${quote(order)}`);
}

async function load(file: OpenFile, entry: StoredEntry): Promise<PickleValue> {
  const bytes = await readAt(file, entry.offset, entry.byteLength);
  try {
    return unpickle(bytes, torchBuilder);
  } catch (cause) {
    throw formatError(file.path, `data.pkl cannot be read: ${(cause as Error).message}`, cause);
  }
}

function stateDict(path: string, saved: PickleValue): Map<PickleValue, PickleValue> {
  if (!(saved instanceof Map)) {
    const found =
      saved instanceof Placeholder || saved instanceof GlobalName ? `, found ${quote(describe(saved))}` : '';
    throw formatError(path, `a dict of tensors was expected${found}. Save model.state_dict() instead of the model`);
  }
  for (const key of wrappers) {
    const inner = saved.get(key);
    if (inner instanceof Map) return inner;
  }
  return saved;
}

function describe(value: Placeholder | GlobalName): string {
  return value instanceof Placeholder ? value.what : value.name;
}

/** Where a tensor's numbers lie, or why they cannot be had. */
function place({ storage, offset, shape, strides }: TorchTensor, entry: StoredEntry | undefined): FileTensor | string {
  const size = dtypeSizes[storage.dtype];
  const count = elementCount(shape);
  if (entry === undefined) return `its numbers, data/${quote(storage.key)}, are not in the archive`;
  if (storage.count * size > entry.byteLength) return `its record has ${entry.byteLength} bytes, too few`;
  if (!isContiguous(shape, strides)) return 'it is a strided view; save tensor.contiguous()';
  if (count === undefined || offset + count > storage.count) return 'it reaches beyond its storage';
  return { dtype: storage.dtype, shape, offset: entry.offset + offset * size, byteLength: count * size };
}

function isContiguous(shape: number[], strides: number[]): boolean {
  if (shape.includes(0)) return true;
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const length = shape[axis]!;
    if (length !== 1 && strides[axis] !== expected) return false;
    expected *= length;
  }
  return true;
}
