import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { matchWeights, openWeights } from '../../lib/weights';
import { rejection } from '../support/error';
import * as p from '../support/pickle';
import { temporaryFolder } from '../support/temporaryFolder';
import { zipBytes } from '../support/zip';

const file = path.join(temporaryFolder(), 'file.pth');
const record = { 'data/0': Buffer.alloc(24) };

function write(bytes: Buffer) {
  writeFileSync(file, bytes);
  return openWeights(file);
}

function open(...instructions: Buffer[]) {
  return write(p.torchArchive(p.program(...instructions), record));
}

async function refusal(bytes: Buffer): Promise<string> {
  return (await rejection(write(bytes), 'ERR_FILE_FORMAT')).message;
}

const matrix = p.tensor({ count: 6, shape: [2, 3], strides: [3, 1] });

test.each([false, true])('a tensor lies where its record lies, zip64: %s', async (zip64) => {
  const numbers = Buffer.from(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);
  const bytes = p.torchArchive(p.program(p.dict({ a: matrix })), { 'data/0': numbers }, zip64);
  const { tensors } = await write(bytes);
  expect([...tensors]).toEqual([
    ['a', { dtype: 'F32', shape: [2, 3], offset: bytes.indexOf(numbers), byteLength: 24 }],
  ]);
});

test.each([
  ['FloatStorage', 'F32', 4],
  ['HalfStorage', 'F16', 2],
  ['BFloat16Storage', 'BF16', 2],
  ['DoubleStorage', 'F64', 8],
  ['LongStorage', 'I64', 8],
  ['IntStorage', 'I32', 4],
  ['ShortStorage', 'I16', 2],
  ['CharStorage', 'I8', 1],
  ['ByteStorage', 'U8', 1],
  ['BoolStorage', 'BOOL', 1],
])('%s is %s', async (storage, dtype, size) => {
  const { tensors } = await open(p.dict({ a: p.tensor({ storage, count: 3, offset: 1, shape: [2], strides: [1] }) }));
  expect(tensors.get('a')).toMatchObject({ dtype, byteLength: 2 * size });
});

test('parameters are tensors, ordered dicts are dicts, and what lies beside them is left alone', async () => {
  const parameter = [
    p.globalName('torch._utils', '_rebuild_parameter'),
    p.tupleOf(matrix, Buffer.from([0x88]), p.emptyDict),
    p.reduce,
  ];
  const { tensors, unusable } = await open(
    p.globalName('collections', 'OrderedDict'),
    p.emptyTuple,
    p.reduce,
    p.text('a'),
    Buffer.concat(parameter),
    p.setItem,
    p.text('epoch'),
    p.integer(3),
    p.setItem,
    p.dict({ _metadata: p.emptyDict }),
    p.build,
  );
  expect([...tensors.keys()]).toEqual(['a']);
  expect(unusable.size).toBe(0);
});

test.each(['state_dict', 'model'])('weights under %s are found', async (key) => {
  const { tensors } = await open(p.dict({ epoch: p.integer(1), [key]: p.dict({ a: matrix }) }));
  expect([...tensors.keys()]).toEqual(['a']);
});

test('a call of another global is not made, and an error only for who wants its result', async () => {
  const call = Buffer.concat([p.globalName('os', 'system'), p.tupleOf(p.text('exit 1')), p.reduce]);
  const weights = await open(p.dict({ a: matrix, evil: call }));
  expect(matchWeights(weights, [{ name: 'a', shape: [2, 3] }])).toHaveLength(1);
  const wanted = () =>
    matchWeights(weights, [
      { name: 'evil', shape: [1] },
      { name: 'a', shape: [2, 3] },
    ]);
  expect(wanted).toThrow('unusable: "evil": it depends on "os.system", which is not built');
});

test('an object of an unknown class takes attributes, items and calls, and stays inert', async () => {
  const object = Buffer.concat([p.globalName('argparse', 'Namespace'), p.emptyTuple, p.newObject]);
  const { tensors, unusable } = await open(
    p.dict({
      a: matrix,
      built: Buffer.concat([object, p.dict({ lr: p.integer(1) }), p.build]),
      filled: Buffer.concat([object, p.text('k'), p.none, p.setItem, p.none, p.append]),
      called: Buffer.concat([object, p.emptyTuple, p.reduce]),
    }),
  );
  expect([...tensors.keys()]).toEqual(['a']);
  expect(new Set(unusable.values())).toEqual(new Set(['it depends on "argparse.Namespace", which is not built']));
});

test('a tensor on the storage of an unknown type is unusable', async () => {
  const { unusable } = await open(
    p.dict({ a: p.tensor({ storage: 'QInt8Storage', count: 1, shape: [1], strides: [1] }) }),
  );
  expect(unusable.get('a')).toMatch('"torch.QInt8Storage"');
});

test.each<[string, p.TensorParts, string]>([
  ['a transposed view', { count: 6, shape: [3, 2], strides: [1, 3] }, 'strided view'],
  ['an expanded view', { count: 1, shape: [6], strides: [0] }, 'strided view'],
  ['a view beyond its storage', { count: 6, offset: 1, shape: [6], strides: [1] }, 'beyond its storage'],
  ['a storage larger than its record', { count: 7, shape: [6], strides: [1] }, 'too few'],
  ['a storage without a record', { key: '1', count: 6, shape: [6], strides: [1] }, 'not in the archive'],
  [
    'sizes whose product overflows',
    { count: 6, shape: [2 ** 30, 2 ** 30], strides: [2 ** 30, 1] },
    'beyond its storage',
  ],
  ['negated numbers', { count: 6, shape: [6], strides: [1], metadata: p.dict({ neg: p.none }) }, '_rebuild_tensor_v2'],
])('%s is unusable', async (_, parts, reason) => {
  const { tensors, unusable } = await open(p.dict({ a: p.tensor(parts), b: matrix }));
  expect([...tensors.keys()]).toEqual(['b']);
  expect(unusable.get('a')).toMatch(reason);
});

test('strides of axes of size one are free', async () => {
  const { tensors } = await open(p.dict({ a: p.tensor({ count: 6, shape: [1, 6, 1], strides: [99, 1, 7] }) }));
  expect(tensors.get('a')?.shape).toEqual([1, 6, 1]);
});

test('a shape that is changed after the tensor was made does not change the tensor', async () => {
  const shape = Buffer.concat([p.emptyList, p.integer(6), p.append, p.put(0)]);
  const id = p.tupleOf(
    p.text('storage'),
    p.globalName('torch', 'FloatStorage'),
    p.text('0'),
    p.text('cpu'),
    p.integer(6),
  );
  const { tensors } = await open(
    p.emptyDict,
    p.text('a'),
    p.globalName('torch._utils', '_rebuild_tensor_v2'),
    p.tupleOf(Buffer.concat([id, p.persistentId]), p.integer(0), shape, p.tupleOf(p.integer(1)), p.none, p.none),
    p.reduce,
    p.setItem,
    p.text('b'),
    Buffer.concat([p.get(0), p.text('x'), p.append]),
    p.setItem,
  );
  expect(tensors.get('a')?.shape).toEqual([6]);
});

test.each([
  ['a negative size', { count: 6, shape: [-6], strides: [1] }],
  ['a negative offset', { count: 6, offset: -1, shape: [6], strides: [1] }],
  ['fewer strides than sizes', { count: 6, shape: [2, 3], strides: [1] }],
  ['a hundred axes', { count: 6, shape: Array<number>(100).fill(1), strides: Array<number>(100).fill(1) }],
  ['a storage of negative size', { count: -6, shape: [6], strides: [1] }],
])('%s is refused', async (_, parts) => {
  await rejection(open(p.dict({ a: p.tensor(parts) })), 'ERR_FILE_FORMAT');
});

test('tensors that share numbers cannot ask for more than the file holds', async () => {
  const names = Array.from({ length: 200 }, (_, i) => [`t${i}`, p.get(0)] as const);
  const shared = p.dict({
    a: Buffer.concat([p.tensor({ count: 2 ** 16, shape: [2 ** 16], strides: [1] }), p.put(0)]),
    ...Object.fromEntries(names),
  });
  const bytes = p.torchArchive(p.program(shared), { 'data/0': Buffer.alloc(4 * 2 ** 16) });
  expect(await refusal(bytes)).toMatch(/its tensors take \d+ bytes, the file has \d+/);
});

test('a whole module is refused with the way to save its weights', async () => {
  const module = p.program(p.globalName('torch.nn', 'Linear'), p.emptyTuple, p.newObject);
  expect(await refusal(p.torchArchive(module))).toMatch(/found "torch.nn.Linear". Save model.state_dict\(\)/);
});

test('a file without tensors is refused', async () => {
  expect(await refusal(p.torchArchive(p.program(p.emptyDict)))).toMatch('it holds no tensors');
});

test('big-endian numbers are refused, little-endian ones are read', async () => {
  const pickle = p.program(p.dict({ a: matrix }));
  expect(await refusal(p.torchArchive(pickle, { ...record, byteorder: Buffer.from('big') }))).toMatch('found "big"');
  const { tensors } = await write(p.torchArchive(pickle, { ...record, byteorder: Buffer.from('little') }));
  expect(tensors.size).toBe(1);
});

test('a compressed entry is refused', async () => {
  const data = p.program(p.dict({ a: matrix }));
  expect(await refusal(zipBytes([{ name: 'a/data.pkl', data, deflate: true }]))).toMatch('"a/data.pkl" is compressed');
});

test('a doubled entry is refused', async () => {
  const entry = { name: 'a/data.pkl', data: p.program(p.emptyDict) };
  expect(await refusal(zipBytes([entry, entry]))).toMatch('stands there twice');
});

test('another zip archive is refused', async () => {
  expect(await refusal(zipBytes([{ name: 'word/document.xml', data: Buffer.alloc(9) }]))).toMatch('not of torch.save');
});

test('zip64 offsets far outside the file are refused', async () => {
  const bytes = p.torchArchive(p.program(p.dict({ a: matrix })), record, true);
  const locator = bytes.lastIndexOf(Buffer.from('PK\x06\x07', 'latin1'));
  const directory = bytes.lastIndexOf(Buffer.from('PK\x06\x06', 'latin1'));
  for (const position of [locator + 8, directory + 32, directory + 48]) {
    for (const value of [2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
      const hostile = Buffer.from(bytes);
      hostile.writeBigUInt64LE(value, position);
      await refusal(hostile);
    }
  }
});
