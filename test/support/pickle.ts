import { type ZipEntry, zipBytes } from './zip';

/** Pickle instructions by hand, for files that torch.save would not write. */
export const none = Buffer.from('N');
export const mark = Buffer.from('(');
export const emptyDict = Buffer.from('}');
export const emptyList = Buffer.from(']');
export const emptyTuple = Buffer.from(')');
export const tuple = Buffer.from('t');
export const append = Buffer.from('a');
export const setItem = Buffer.from('s');
export const reduce = Buffer.from('R');
export const newObject = Buffer.from([0x81]);
export const build = Buffer.from('b');
export const persistentId = Buffer.from('Q');

export function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([Buffer.from('X'), length, bytes]);
}

export function integer(value: number): Buffer {
  const bytes = Buffer.alloc(5, 'J');
  bytes.writeInt32LE(value, 1);
  return bytes;
}

export function globalName(module: string, name: string): Buffer {
  return Buffer.from(`c${module}\n${name}\n`);
}

export function put(index: number): Buffer {
  return Buffer.from(['q'.charCodeAt(0), index]);
}

export function get(index: number): Buffer {
  return Buffer.from(['h'.charCodeAt(0), index]);
}

export function tupleOf(...items: Buffer[]): Buffer {
  return Buffer.concat([mark, ...items, tuple]);
}

/** Protocol 2, the instructions, STOP. */
export function program(...instructions: Buffer[]): Buffer {
  return Buffer.concat([Buffer.from([0x80, 2]), ...instructions, Buffer.from('.')]);
}

export interface TensorParts {
  key?: string;
  storage?: string;
  count: number;
  offset?: number;
  shape: number[];
  strides: number[];
  metadata?: Buffer;
}

/** What torch.save writes for one tensor. */
export function tensor({
  key = '0',
  storage = 'FloatStorage',
  count,
  offset = 0,
  shape,
  strides,
  metadata,
}: TensorParts) {
  const id = tupleOf(text('storage'), globalName('torch', storage), text(key), text('cpu'), integer(count));
  const args = [
    Buffer.concat([id, persistentId]),
    integer(offset),
    tupleOf(...shape.map(integer)),
    tupleOf(...strides.map(integer)),
    Buffer.from([0x89]),
    emptyDict,
    ...(metadata === undefined ? [] : [metadata]),
  ];
  return Buffer.concat([globalName('torch._utils', '_rebuild_tensor_v2'), tupleOf(...args), reduce]);
}

/** A dict of the given names and values. */
export function dict(items: Record<string, Buffer>): Buffer {
  return Buffer.concat([emptyDict, ...Object.entries(items).flatMap(([name, value]) => [text(name), value, setItem])]);
}

/** An archive as torch.save lays it out. */
export function torchArchive(pickle: Buffer, records: Record<string, Buffer> = {}, zip64 = false): Buffer {
  const entries: ZipEntry[] = [{ name: 'archive/data.pkl', data: pickle }];
  for (const [key, data] of Object.entries(records)) entries.push({ name: `archive/${key}`, data });
  return zipBytes(entries, { zip64 });
}
