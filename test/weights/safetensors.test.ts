import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { openWeights } from '../../lib/weights';
import { rejection } from '../support/error';
import { temporaryFolder } from '../support/temporaryFolder';
import { safetensorsBytes, writeSafetensors } from '../support/writeSafetensors';

const file = path.join(temporaryFolder(), 'file.safetensors');

function write(header: unknown, dataBytes: number) {
  writeFileSync(file, safetensorsBytes(header, Buffer.alloc(dataBytes)));
  return openWeights(file);
}

async function refusal(header: unknown, dataBytes: number): Promise<string> {
  return (await rejection(write(header, dataBytes), 'ERR_FILE_FORMAT')).message;
}

const f32 = (shape: unknown, begin: unknown, end: unknown) => ({ dtype: 'F32', shape, data_offsets: [begin, end] });

test('metadata, dtypes, shapes and places are read', async () => {
  writeSafetensors(
    file,
    new Map([
      ['a', { dtype: 'F32', shape: [2, 3], bytes: Buffer.alloc(24) }],
      ['b', { dtype: 'BF16', shape: [], bytes: Buffer.alloc(2) }],
      ['empty', { dtype: 'I64', shape: [4, 0], bytes: Buffer.alloc(0) }],
    ]),
    { format: 'pt' },
  );
  const { metadata, tensors, unusable } = await openWeights(file);
  const start = tensors.get('a')!.offset;
  expect([...metadata]).toEqual([['format', 'pt']]);
  expect([...tensors]).toEqual([
    ['a', { dtype: 'F32', shape: [2, 3], offset: start, byteLength: 24 }],
    ['b', { dtype: 'BF16', shape: [], offset: start + 24, byteLength: 2 }],
    ['empty', { dtype: 'I64', shape: [4, 0], offset: start + 26, byteLength: 0 }],
  ]);
  expect(unusable.size).toBe(0);
});

test('a tensor called __proto__ is a tensor like any other', async () => {
  const { tensors } = await write('{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4);
  expect([...tensors.keys()]).toEqual(['__proto__']);
  expect(({} as { dtype?: string }).dtype).toBeUndefined();
});

test.each([0xffn, 25_000_001n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n])(
  'a header of %s bytes is refused',
  async (length) => {
    const bytes = safetensorsBytes({}, Buffer.alloc(0));
    bytes.writeBigUInt64LE(length);
    writeFileSync(file, bytes);
    await rejection(openWeights(file), 'ERR_FILE_FORMAT');
  },
);

test.each<[string, unknown, number, RegExp]>([
  ['no JSON', '{"a":', 0, /header is damaged/],
  ['a control character in a name', '{"a\u0000":1}', 0, /header is damaged/],
  ['an array', '[]', 0, /an object was expected/],
  ['null', 'null', 0, /an object was expected/],
  ['a number as tensor', { a: 1 }, 0, /"a" has no known dtype/],
  ['null as tensor', { a: null }, 0, /"a" has no known dtype/],
  ['deep nesting', '['.repeat(1_000_000), 0, /nested too deeply/],
  [
    'a doubled name',
    '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
    4,
    /twice/,
  ],
  ['a doubled key', '{"a":{"dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,2]}}', 2, /twice/],
  ['an unknown dtype', { a: { dtype: 'F3', shape: [1], data_offsets: [0, 4] } }, 4, /dtype, found "F3"/],
  ['a dtype of the prototype', { a: { dtype: 'toString', shape: [1], data_offsets: [0, 4] } }, 4, /no known dtype/],
  ['a negative size', { a: f32([-1], 0, 4) }, 4, /no valid shape/],
  ['a fractional size', { a: f32([1.5], 0, 4) }, 4, /no valid shape/],
  ['sizes whose product overflows', { a: f32([2 ** 40, 2 ** 40], 0, 4) }, 4, /no valid shape/],
  ['a size above 2^53', '{"a":{"dtype":"F32","shape":[9007199254740993],"data_offsets":[0,4]}}', 4, /no valid shape/],
  ['no offsets', { a: { dtype: 'F32', shape: [1] } }, 4, /no valid data_offsets/],
  ['three offsets', { a: { dtype: 'F32', shape: [1], data_offsets: [0, 4, 8] } }, 4, /no valid data_offsets/],
  ['an end before its begin', { a: f32([1], 4, 0) }, 4, /no valid data_offsets/],
  ['a negative begin', { a: f32([1], -4, 0) }, 4, /no valid data_offsets/],
  ['too few bytes for the shape', { a: f32([2], 0, 4) }, 4, /needs 8 bytes, its data_offsets hold 4/],
  ['an overlap', { a: f32([2], 0, 8), b: f32([1], 4, 8) }, 8, /"b" overlaps/],
  ['the same bytes twice', { a: f32([1], 0, 4), b: f32([1], 0, 4) }, 4, /overlaps/],
  ['a hole', { a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12, /"b" leaves a hole/],
  ['a hole at the start', { a: f32([1], 4, 8) }, 8, /"a" leaves a hole/],
  ['data beyond the end', { a: f32([2], 0, 8) }, 7, /truncated/],
  ['bytes behind', { a: f32([1], 0, 4) }, 5, /something is behind/],
  ['metadata of numbers', { __metadata__: { a: 1 } }, 0, /not a string/],
  ['metadata that is no object', { __metadata__: 'a' }, 0, /not an object of strings/],
])('%s is refused', async (_, header, dataBytes, message) => {
  expect(await refusal(header, dataBytes)).toMatch(message);
});

test('a header that is not UTF-8 is refused', async () => {
  const bytes = safetensorsBytes('{"?":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}', Buffer.alloc(0));
  bytes[10] = 0xff;
  writeFileSync(file, bytes);
  expect((await rejection(openWeights(file), 'ERR_FILE_FORMAT')).message).toMatch(/header is damaged/);
});

test('names in messages are escaped and cut', async () => {
  const message = await refusal({ [`\u001b[31m\n${'x'.repeat(10_000)}`]: f32([1], 0, 0) }, 0);
  expect(message).not.toContain('\u001b');
  expect(message.length).toBeLessThan(500);
});
