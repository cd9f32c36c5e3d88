import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { openWeights } from '../../lib/weights';
import { rejection } from '../support/error';
import { temporaryFolder } from '../support/temporaryFolder';

const golden = path.join(__dirname, '../golden/formats');
const folder = temporaryFolder();
const file = path.join(folder, 'weights');

function open(bytes: Buffer | string) {
  writeFileSync(file, bytes);
  return openWeights(file);
}

test.each(['release.pth', 'release.safetensors'])('%s is known by its content, not its name', async (name) => {
  copyFileSync(path.join(golden, name), file);
  expect((await openWeights(file)).tensors.size).toBe(36);
});

test('a missing file is named', async () => {
  const error = await rejection(openWeights(path.join(folder, 'nowhere.pth')), 'ERR_FILE_NOT_FOUND');
  expect(error.message).toMatch('nowhere.pth');
  expect(error.cause).toMatchObject({ code: 'ENOENT' });
});

test('a folder is no weights file', async () => {
  mkdirSync(path.join(folder, 'sub'));
  await rejection(openWeights(path.join(folder, 'sub')), 'ERR_FILE_NOT_FOUND');
});

test('a pipe without a writer is refused instead of waited for', async () => {
  const pipe = path.join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  await rejection(openWeights(pipe), 'ERR_FILE_NOT_FOUND');
});

test.each<[string, Buffer | string, RegExp]>([
  ['an empty file', '', /truncated/],
  ['text', 'these are not the weights you are looking for', /safetensors header/],
  ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n', /git lfs pull/],
  [
    'the format of torch before 1.6',
    Buffer.from('80028a0a6cfc9c46f9206aa850192e80024de9032e', 'hex'),
    /torch before 1\.6.*Save it again/,
  ],
])('%s is refused in words that help', async (_, bytes, message) => {
  expect((await rejection(open(bytes), 'ERR_FILE_FORMAT')).message).toMatch(message);
});

test('a safetensors header as long as the old torch magic begins is no pickle', async () => {
  // 0x280 bytes: the length starts with 80 02, as a pickle does.
  const text = JSON.stringify({ __metadata__: { note: 'x' }, a: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } });
  const length = Buffer.alloc(8);
  length.writeUInt16LE(0x280);
  const { tensors } = await open(Buffer.concat([length, Buffer.from(text.padEnd(0x280)), Buffer.alloc(4)]));
  expect([...tensors.keys()]).toEqual(['a']);
});

test.each(['release.safetensors', 'hf.safetensors', 'release.pth', 'model.pth'])(
  '%s cut off anywhere is refused',
  async (name) => {
    const bytes = readFileSync(path.join(golden, name));
    const lengths = new Set([0, 1, 7, 8, 9, 100, bytes.length - 1, bytes.length - 22, bytes.length - 23]);
    for (let i = 1; i < 40; i++) lengths.add(Math.floor((i * bytes.length) / 40));
    for (const length of lengths) await rejection(open(bytes.subarray(0, length)), 'ERR_FILE_FORMAT');
  },
);
