import { ByteReader } from './byteReader';
import { GlobalName, Placeholder, type PickleValue } from './pickleValue';

/** A state dict takes some thirty instructions per tensor. Each makes at most one object, so this bounds memory too. */
const MAX_INSTRUCTIONS = 1_000_000;
const MAX_GLOBAL_LENGTH = 256;

/** What a pickle may have built. Both get values as untrusted as the pickle. */
export interface Builder {
  /** The result of calling `callee`, or undefined if it is not known. */
  call(callee: GlobalName, args: PickleValue[]): PickleValue | undefined;
  /** What a persistent id stands for, or undefined if it is not known. */
  persistent(id: PickleValue): PickleValue | undefined;
}

/**
 * Reads a pickle (protocols 2 to 5) without running anything in it: a call that `builder` does not know becomes a
 * {@link Placeholder}. Time and memory are linear in the number of bytes: nothing is copied or walked but what the
 * instructions themselves pushed, so that shared and self-referring values cost nothing.
 *
 * @throws Error with what is wrong
 */
export function unpickle(bytes: Buffer, builder: Builder): PickleValue {
  const machine = new Machine(new ByteReader(bytes), builder);
  for (let n = 0; n < MAX_INSTRUCTIONS; n++) {
    if (machine.step()) return machine.pop();
  }
  throw new Error(`it has more than ${MAX_INSTRUCTIONS} instructions`);
}

class Machine {
  private readonly stack: PickleValue[] = [];
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, PickleValue>();

  constructor(
    private readonly input: ByteReader,
    private readonly builder: Builder,
  ) {}

  /** Runs one instruction; true after STOP. The letters are those of Python's pickle module. */
  step(): boolean {
    const opcode = this.input.uint8();
    switch (opcode) {
      case 0x80: // PROTO
        this.checkProtocol(this.input.uint8());
        break;
      case 0x95: // FRAME
        this.input.skip(8);
        break;
      case 0x2e: // STOP
        return true;

      case 0x28: // MARK
        this.marks.push(this.stack.length);
        break;
      case 0x30: // POP
        if (this.stack.length === this.lowest() && this.marks.length > 0) this.marks.pop();
        else this.pop();
        break;
      case 0x31: // POP_MARK
        this.popMark();
        break;
      case 0x32: // DUP
        this.push(this.top());
        break;

      case 0x71: // BINPUT
        this.memo.set(this.input.uint8(), this.top());
        break;
      case 0x72: // LONG_BINPUT
        this.memo.set(this.input.uint32(), this.top());
        break;
      case 0x94: // MEMOIZE
        this.memo.set(this.memo.size, this.top());
        break;
      case 0x68: // BINGET
        this.push(this.remembered(this.input.uint8()));
        break;
      case 0x6a: // LONG_BINGET
        this.push(this.remembered(this.input.uint32()));
        break;

      case 0x4e: // NONE
        this.push(null);
        break;
      case 0x88: // NEWTRUE
        this.push(true);
        break;
      case 0x89: // NEWFALSE
        this.push(false);
        break;
      case 0x4a: // BININT
        this.push(this.input.int32());
        break;
      case 0x4b: // BININT1
        this.push(this.input.uint8());
        break;
      case 0x4d: // BININT2
        this.push(this.input.uint16());
        break;
      case 0x8a: // LONG1
        this.pushLong(this.input.uint8());
        break;
      case 0x8b: // LONG4
        this.pushLong(this.input.uint32());
        break;
      case 0x47: // BINFLOAT
        this.push(this.input.doubleBigEndian());
        break;
      case 0x8c: // SHORT_BINUNICODE
        this.push(this.input.utf8(this.input.uint8()));
        break;
      case 0x58: // BINUNICODE
        this.push(this.input.utf8(this.input.uint32()));
        break;
      case 0x8d: // BINUNICODE8
        this.push(this.input.utf8(this.input.uint64()));
        break;
      case 0x43: // SHORT_BINBYTES
        this.pushBytes(this.input.uint8());
        break;
      case 0x42: // BINBYTES
        this.pushBytes(this.input.uint32());
        break;
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        this.pushBytes(this.input.uint64());
        break;

      case 0x29: // EMPTY_TUPLE
      case 0x5d: // EMPTY_LIST
        this.push([]);
        break;
      case 0x85: // TUPLE1
        this.push(this.popMany(1));
        break;
      case 0x86: // TUPLE2
        this.push(this.popMany(2));
        break;
      case 0x87: // TUPLE3
        this.push(this.popMany(3));
        break;
      case 0x74: // TUPLE
      case 0x6c: // LIST
        this.push(this.popMark());
        break;
      case 0x61: // APPEND
        this.append(this.popMany(1));
        break;
      case 0x65: // APPENDS
        this.append(this.popMark());
        break;
      case 0x7d: // EMPTY_DICT
        this.push(new Map());
        break;
      case 0x64: // DICT
        this.setItems(this.popMark(), this.push(new Map()));
        break;
      case 0x73: // SETITEM
        this.setItems(this.popMany(2), this.top());
        break;
      case 0x75: // SETITEMS
        this.setItems(this.popMark(), this.top());
        break;
      case 0x8f: // EMPTY_SET
        this.push(new Placeholder('a set'));
        break;
      case 0x90: // ADDITEMS
        this.popMark();
        break;
      case 0x91: // FROZENSET
        this.popMark();
        this.push(new Placeholder('a set'));
        break;

      case 0x63: // GLOBAL
        this.pushGlobal(this.input.line(), this.input.line());
        break;
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.popMany(2);
        this.pushGlobal(module, name);
        break;
      }
      case 0x51: {
        // BINPERSID
        this.push(this.builder.persistent(this.pop()) ?? new Placeholder('an unknown persistent id'));
        break;
      }
      case 0x52: // REDUCE
        this.call(this.popMany(2));
        break;
      case 0x81: // NEWOBJ
        this.create(this.popMany(2)[0]);
        break;
      case 0x92: // NEWOBJ_EX
        this.create(this.popMany(3)[0]);
        break;
      case 0x62: // BUILD: attributes of an object; there are only placeholders, tensors and dicts to have them
        this.pop();
        this.top();
        break;

      default:
        throw new Error(`instruction 0x${opcode.toString(16)} is none that torch.save writes`);
    }
    return false;
  }

  pop(): PickleValue {
    return this.popMany(1)[0]!;
  }

  private checkProtocol(protocol: number): void {
    if (protocol < 2 || protocol > 5) throw new Error(`protocols 2 to 5 were expected, found ${protocol}`);
  }

  /** Where the stack ends for the instructions after the last mark. */
  private lowest(): number {
    return this.marks.at(-1) ?? 0;
  }

  private push<T extends PickleValue>(value: T): T {
    this.stack.push(value);
    return value;
  }

  private popMany(count: number): PickleValue[] {
    if (this.stack.length - count < this.lowest()) throw new Error('an instruction lacks its operands');
    return this.stack.splice(this.stack.length - count, count);
  }

  private popMark(): PickleValue[] {
    const mark = this.marks.pop();
    if (mark === undefined) throw new Error('an instruction lacks its mark');
    return this.stack.splice(mark);
  }

  private top(): PickleValue {
    if (this.stack.length === this.lowest()) throw new Error('an instruction lacks its operands');
    return this.stack[this.stack.length - 1]!;
  }

  private remembered(index: number): PickleValue {
    const value = this.memo.get(index);
    if (value === undefined) throw new Error(`nothing was stored under memo ${index}`);
    return value;
  }

  /** Python's integers have no bound; none of more than eight bytes matters to a tensor. */
  private pushLong(length: number): void {
    if (length > 8) {
      this.input.skip(length);
      this.push(new Placeholder('a large integer'));
      return;
    }
    const value = Number(this.input.signed(length));
    this.push(Number.isSafeInteger(value) ? value : new Placeholder('a large integer'));
  }

  private pushBytes(length: number): void {
    this.input.skip(length);
    this.push(new Placeholder('bytes'));
  }

  private append(items: PickleValue[]): void {
    const list = this.top();
    if (Array.isArray(list)) for (const item of items) list.push(item);
    else if (!(list instanceof Placeholder)) throw new Error('items are appended to what is no list');
  }

  private setItems(items: PickleValue[], dict: PickleValue): void {
    if (items.length % 2 !== 0) throw new Error('a key lacks its value');
    if (dict instanceof Map) for (let i = 0; i < items.length; i += 2) dict.set(items[i]!, items[i + 1]!);
    else if (!(dict instanceof Placeholder)) throw new Error('items are set in what is no dict');
  }

  private pushGlobal(module: PickleValue | undefined, name: PickleValue | undefined): void {
    if (typeof module !== 'string' || typeof name !== 'string') throw new Error('a global is not named by strings');
    if (module.length + name.length > MAX_GLOBAL_LENGTH) throw new Error("a global's name is too long");
    this.push(new GlobalName(`${module}.${name}`));
  }

  private call([callee, args]: PickleValue[]): void {
    const known = callee instanceof GlobalName && Array.isArray(args) ? this.builder.call(callee, args) : undefined;
    this.push(known ?? this.inert(callee));
  }

  private create(type: PickleValue | undefined): void {
    this.push(this.inert(type));
  }

  private inert(origin: PickleValue | undefined): Placeholder {
    if (origin instanceof Placeholder) return origin;
    return new Placeholder(origin instanceof GlobalName ? origin.name : 'a call of what is no function');
  }
}
