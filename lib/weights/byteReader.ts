/** Reads little-endian values one after the other. @throws RangeError at the end of the bytes */
export class ByteReader {
  private position = 0;

  constructor(private readonly bytes: Buffer) {}

  private take(length: number): number {
    const start = this.position;
    if (length > this.bytes.length - start) {
      throw new RangeError(`${length} bytes expected at ${start}, ${this.bytes.length - start} are left`);
    }
    this.position += length;
    return start;
  }

  uint8(): number {
    return this.bytes.readUInt8(this.take(1));
  }

  uint16(): number {
    return this.bytes.readUInt16LE(this.take(2));
  }

  uint32(): number {
    return this.bytes.readUInt32LE(this.take(4));
  }

  int32(): number {
    return this.bytes.readInt32LE(this.take(4));
  }

  /** As a double: a length above 2^53 loses its last bits, and is far beyond any file anyway. */
  uint64(): number {
    return Number(this.bytes.readBigUInt64LE(this.take(8)));
  }

  /** Pickle's floats alone are big-endian. */
  doubleBigEndian(): number {
    return this.bytes.readDoubleBE(this.take(8));
  }

  /** Two's complement of up to eight bytes. */
  signed(length: number): bigint {
    const start = this.take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.bytes[start + i]!);
    return BigInt.asIntN(8 * length, value);
  }

  utf8(length: number): string {
    const start = this.take(length);
    return this.bytes.toString('utf8', start, start + length);
  }

  /** Up to the next line feed, which is taken too. */
  line(): string {
    const end = this.bytes.indexOf(0x0a, this.position);
    const length = (end < 0 ? this.bytes.length : end) - this.position;
    const text = this.utf8(length);
    this.take(1);
    return text;
  }

  skip(length: number): void {
    this.take(length);
  }
}
