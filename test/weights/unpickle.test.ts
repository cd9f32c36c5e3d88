import { unpickle } from '../../lib/weights/unpickle';
import { torchBuilder } from '../../lib/weights/torchBuilder';
import * as p from '../support/pickle';

const read = (...instructions: Buffer[]) => unpickle(p.program(...instructions), torchBuilder);
const bytes = (...values: (number | string)[]) =>
  Buffer.concat(values.map((v) => (typeof v === 'number' ? Buffer.from([v]) : Buffer.from(v, 'latin1'))));

test.each<[string, Buffer, unknown]>([
  ['None, True, False', p.tupleOf(bytes('N', 0x88, 0x89)), [null, true, false]],
  ['BININT', p.integer(-2), -2],
  ['BININT1, BININT2', p.tupleOf(bytes('K', 255, 'M', 0xff, 0xff)), [255, 65535]],
  ['LONG1', bytes(0x8a, 2, 0, 0x80), -32768],
  ['LONG1 of no bytes', bytes(0x8a, 0), 0],
  ['LONG1 of eight bytes', bytes(0x8a, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0), 2 ** 53 - 1],
  ['LONG4', bytes(0x8b, 1, 0, 0, 0, 5), 5],
  ['BINFLOAT', bytes('G', 0x3f, 0xf8, 0, 0, 0, 0, 0, 0), 1.5],
  ['BINUNICODE', p.text('naïve'), 'naïve'],
  ['SHORT_BINUNICODE', bytes(0x8c, 1, 'a'), 'a'],
  ['BINUNICODE8', bytes(0x8d, 1, 0, 0, 0, 0, 0, 0, 0, 'a'), 'a'],
  ['TUPLE1, TUPLE2, TUPLE3', bytes('NN', 0x86, 0x85, 'NN', 0x87), [[[null, null]], null, null]],
  ['LIST', bytes('(K', 1, 'l'), [1]],
  ['APPENDS', bytes('](K', 1, 'K', 2, 'e'), [1, 2]],
  ['DICT', bytes('(K', 1, 'K', 2, 'd'), new Map([[1, 2]])],
  [
    'SETITEMS',
    bytes('}(K', 1, 'K', 2, 'K', 3, 'K', 4, 'u'),
    new Map([
      [1, 2],
      [3, 4],
    ]),
  ],
  ['POP, POP_MARK, DUP', bytes('K', 1, '(NN1N0(02', 0x86), [1, 1]],
  ['MEMOIZE and BINGET', bytes('K', 7, 0x94, '0h', 0), 7],
  ['LONG_BINPUT and LONG_BINGET', bytes('K', 7, 'r', 0, 0, 1, 0, 'j', 0, 0, 1, 0, 0x86), [7, 7]],
  ['FRAME', bytes(0x95, 1, 0, 0, 0, 0, 0, 0, 0, 'N'), null],
])('%s', (_, instructions, value) => {
  expect(read(instructions)).toEqual(value);
});

test.each<[string, Buffer, string]>([
  ['bytes', bytes('C', 1, 0), 'bytes'],
  ['a set', bytes(0x8f, '(N', 0x90), 'a set'],
  ['a frozenset', bytes('(N', 0x91), 'a set'],
  ['an integer of nine bytes', bytes(0x8a, 9, '123456789'), 'a large integer'],
  ['an integer above 2^53', bytes(0x8a, 8, 0, 0, 0, 0, 0, 0, 0x20, 0), 'a large integer'],
  ['an unknown persistent id', bytes('NQ'), 'an unknown persistent id'],
  ['STACK_GLOBAL and NEWOBJ_EX', Buffer.concat([p.text('a'), p.text('B'), bytes(0x93, ')}', 0x92)]), 'a.B'],
  ['a call of a number', bytes('K', 1, ')R'), 'a call of what is no function'],
])('%s is a placeholder', (_, instructions, what) => {
  expect(read(instructions)).toMatchObject({ what });
});

test.each<[string, Buffer]>([
  ['no instruction', bytes()],
  ['an empty stack at a pop', bytes('0')],
  ['an append to nothing', bytes('Na')],
  ['a tuple without a mark', bytes('Nt')],
  ['an operand below the mark', bytes('N(', 0x85)],
  ['an append to a number', bytes('K', 1, 'Na')],
  ['an item set in a list', bytes(']NNs')],
  ['a key without a value', bytes('}(Nu')],
  ['a memo never stored', bytes('h', 9)],
  ['text beyond the end', bytes('X', 0xff, 0xff, 0xff, 0x7f)],
  ['text of 2^64 - 1 bytes', bytes(0x8d, ...Array<number>(8).fill(0xff))],
  ['bytes beyond the end', bytes('B', 0xff, 0xff, 0xff, 0xff)],
  ['a long of 4 GiB', bytes(0x8b, 0xff, 0xff, 0xff, 0xff)],
  ['a global without an end', bytes('cos\nsystem')],
  ['a global of numbers', bytes('NN', 0x93)],
  ['a global with a long name', p.globalName('m', 'x'.repeat(1000))],
  ['protocol 0 text', bytes('I1\n')],
  ['INST', bytes('(ios\nsystem\n')],
  ['an extension', bytes(0x82, 1)],
  ['protocol 6', bytes(0x80, 6, 'N')],
])('%s is refused', (_, instructions) => {
  expect(() => read(instructions)).toThrow(/./);
});

describe('bombs end soon and small', () => {
  function quickly(run: () => unknown): void {
    const before = process.memoryUsage();
    const start = performance.now();
    run();
    const after = process.memoryUsage();
    expect(performance.now() - start).toBeLessThan(10_000);
    expect(after.heapUsed + after.external - before.heapUsed - before.external).toBeLessThan(500 * 2 ** 20);
  }

  test('a billion laughs by memo', () => {
    const levels = Array.from({ length: 200 }, (_, i) =>
      bytes('(', ...Array<string>(10).fill(`h${String.fromCharCode(i)}`), 't', 'q', i + 1),
    );
    quickly(() => read(bytes('Nq', 0), ...levels));
  });

  test('a list that holds itself', () => {
    quickly(() => {
      const list = read(bytes(']q', 0, 'h', 0, 'a')) as unknown[];
      expect(list[0]).toBe(list);
    });
  });

  test.each([
    ['nested lists', bytes(']')],
    ['marks', bytes('(')],
    ['dicts', bytes('}')],
    ['sets', bytes(0x8f)],
    ['copies', bytes('N', '2'.repeat(100))],
  ])('two million %s', (_, instruction) => {
    const pickle = p.program(Buffer.alloc(2_000_000, instruction));
    quickly(() => expect(() => unpickle(pickle, torchBuilder)).toThrow('instructions'));
  });

  test('a long list as the argument of many calls', () => {
    const list = bytes('](', 'N'.repeat(200_000), 'eq', 0);
    const sizes = [bytes('0'), p.globalName('torch._utils', '_rebuild_tensor_v2'), bytes('q', 1)];
    const id = p.tupleOf(p.text('storage'), p.globalName('torch', 'FloatStorage'), p.text('0'), p.none, p.integer(1));
    const call = bytes('0h', 1, '(h', 2, 'K', 0, 'h', 0, 'h', 0, 'tR');
    const calls = Buffer.concat(Array.from({ length: 50_000 }, () => call));
    quickly(() =>
      expect(() => read(list, ...sizes, id, p.persistentId, bytes('q', 2), calls)).toThrow('no valid offset'),
    );
    const ordered = [p.globalName('collections', 'OrderedDict'), bytes('q', 1)];
    const copies = Buffer.concat(Array.from({ length: 100_000 }, () => bytes('0h', 1, 'h', 0, 0x85, 'R')));
    quickly(() => read(list, ...ordered, copies));
  });
});
