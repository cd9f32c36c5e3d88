import crypto from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { writeCached } from '../../lib/device/cache';
import { touch } from '../support/deviceLibrary';
import { temporaryFolder } from '../support/temporaryFolder';

const folder = temporaryFolder();
const at = (name: string) => path.join(folder, name);

test('writers at the same time leave one whole file, and nothing else', async () => {
  const texts = Array.from({ length: 20 }, (_, i) => String(i).repeat(10_000));
  await Promise.all(texts.map((text) => writeCached(at('several/file'), text)));
  expect(readdirSync(at('several'))).toEqual(['file']);
  expect(texts).toContain(readFileSync(at('several/file'), 'utf8'));
});

test('what cannot take its place is removed', async () => {
  mkdirSync(at('taken/file/full'), { recursive: true });
  await writeCached(at('taken/file'), 'text');
  expect(readdirSync(at('taken'))).toEqual(['file']);
});

test('what somebody else made stays', async () => {
  const name = '00000000-0000-4000-8000-000000000000';
  jest.spyOn(crypto, 'randomUUID').mockReturnValueOnce(name);
  const other = touch(at(`own/.file.${process.pid}-${name}.tmp`), 'another process');
  await writeCached(at('own/file'), 'text');
  expect(readdirSync(at('own'))).toEqual([path.basename(other)]);
  expect(readFileSync(other, 'utf8')).toBe('another process');
});
