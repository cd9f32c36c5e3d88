import { readdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { surroundings } from '../../lib/device';
import { featureRoom } from '../../lib/training/featureRoom';
import { temporaryFolder } from '../support/temporaryFolder';

const home = temporaryFolder();
const around = { ...surroundings(), env: {}, home };
const cacheBytes = Math.floor(os.totalmem() / 4);

test('is a quarter of the memory and, on the CPU, the cache folder, which is made', async () => {
  const cacheFolder = path.join(home, '.cache/dinomaly-native');
  expect(await featureRoom({}, 'cpu', around)).toEqual({ cacheBytes, cacheFolder });
  expect(readdirSync(cacheFolder)).toEqual([]);
  const XDG_CACHE_HOME = path.join(home, 'other');
  const other = await featureRoom({ memory: 5 }, 'cpu', { ...around, env: { XDG_CACHE_HOME } });
  expect(other).toEqual({ cacheBytes: 5, cacheFolder: path.join(XDG_CACHE_HOME, 'dinomaly-native') });
});

test('has no file on a GPU, for a user without a home, or where none is wanted', async () => {
  expect(await featureRoom({}, 'cuda:0', around)).toEqual({ cacheBytes });
  expect(await featureRoom({}, 'cpu', { ...around, home: undefined })).toEqual({ cacheBytes });
  expect(await featureRoom({ file: false }, 'cpu', around)).toEqual({ cacheBytes });
});

test('is what is asked for', async () => {
  expect(await featureRoom({ memory: 0, file: home }, 'cuda:0', around)).toEqual({ cacheBytes: 0, cacheFolder: home });
});

test('names a folder that cannot be made, in which there will be no file', async () => {
  const closed = path.join(home, 'closed');
  await featureRoom({}, 'cpu', { ...around, home: closed }); // there is no such home
  expect(readdirSync(home)).not.toContain('closed');
});
