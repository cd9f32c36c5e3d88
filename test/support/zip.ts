import { crc32, deflateRawSync } from 'node:zlib';

export interface ZipEntry {
  name: string;
  data: Buffer;
  deflate?: boolean;
}

/** A zip archive in memory. `zip64` puts all sizes and offsets into the 64-bit fields, as for files above 4 GiB. */
export function zipBytes(entries: ZipEntry[], { zip64 = false } = {}): Buffer {
  const chunks: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, data, deflate = false } of entries) {
    const stored = deflate ? deflateRawSync(data) : data;
    const common = Buffer.alloc(26);
    common.writeUInt16LE(45, 0);
    common.writeUInt16LE(deflate ? 8 : 0, 4);
    common.writeUInt32LE(crc32(data), 10);
    common.writeUInt32LE(zip64 ? 0xffffffff : stored.length, 14);
    common.writeUInt32LE(zip64 ? 0xffffffff : data.length, 18);
    common.writeUInt16LE(name.length, 22);
    const extra = zip64 ? extra64(data.length, stored.length, offset) : Buffer.alloc(0);
    common.writeUInt16LE(extra.length, 24);
    const local = Buffer.concat([signature(0x04034b50), common, Buffer.from(name), extra, stored]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(zip64 ? 0xffffffff : offset, 10);
    directory.push(signature(0x02014b50), Buffer.from([45, 3]), common, rest, Buffer.from(name), extra);
    chunks.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  if (zip64) chunks.push(central, end64(entries.length, central.length, offset));
  else chunks.push(central);
  chunks.push(end(entries.length, central.length, offset, zip64));
  return Buffer.concat(chunks);
}

function signature(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint64s(...values: number[]): Buffer {
  const bytes = Buffer.alloc(8 * values.length);
  values.forEach((value, i) => bytes.writeBigUInt64LE(BigInt(value), 8 * i));
  return bytes;
}

function extra64(size: number, stored: number, offset: number): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt16LE(1, 0);
  header.writeUInt16LE(24, 2);
  return Buffer.concat([header, uint64s(size, stored, offset)]);
}

function end64(count: number, size: number, offset: number): Buffer {
  const record = Buffer.concat([
    signature(0x06064b50),
    uint64s(44),
    Buffer.alloc(12),
    uint64s(count, count, size, offset),
  ]);
  return Buffer.concat([record, signature(0x07064b50), Buffer.alloc(4), uint64s(offset + size), Buffer.alloc(4)]);
}

function end(count: number, size: number, offset: number, zip64: boolean): Buffer {
  const record = Buffer.alloc(18);
  record.writeUInt16LE(zip64 ? 0xffff : count, 4);
  record.writeUInt16LE(zip64 ? 0xffff : count, 6);
  record.writeUInt32LE(zip64 ? 0xffffffff : size, 8);
  record.writeUInt32LE(zip64 ? 0xffffffff : offset, 12);
  return Buffer.concat([signature(0x06054b50), record]);
}
