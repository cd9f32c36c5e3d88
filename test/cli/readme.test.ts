import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import { errorCodes } from '../../lib';
import { temporaryFolder } from '../support/temporaryFolder';
import { root } from './dinomaly';

const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
const folder = temporaryFolder();

test('the table of error codes is that of the code', () => {
  const rows = [...readme.matchAll(/^\| `(ERR_\w+)` \| (.*) \|$/gm)].map(([, code, meaning]) => [code, meaning]);
  expect(Object.fromEntries(rows)).toEqual(errorCodes);
  expect(rows).toHaveLength(Object.keys(errorCodes).length);
});

test('the ten lines are ten, and run as they stand, two iterations for two hundred', async () => {
  const code = /^```js\n([^]*?)^```/m.exec(readme)![1]!;
  expect(code.split('\n').filter((line) => line !== '')).toHaveLength(10);
  // A project that has the package installed, beside the demo set.
  mkdirSync(path.join(folder, 'node_modules'));
  symlinkSync(root, path.join(folder, 'node_modules/dinomaly-native'));
  symlinkSync(path.join(root, 'demo'), path.join(folder, 'demo'));
  expect(code).toContain('iterations: 200,');
  writeFileSync(path.join(folder, 'program.mjs'), code.replace('iterations: 200,', 'iterations: 2,'));
  const { status, stdout, stderr } = spawnSync(process.execPath, ['program.mjs'], { cwd: folder, encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const printed = stdout.trimEnd().split('\n').map(Number);
  expect(printed).toHaveLength(3); // two losses and a score
  for (const value of printed) expect(value).toBeGreaterThan(0);
  const heatmap = await sharp(path.join(folder, 'heatmap.png')).metadata();
  expect(heatmap).toMatchObject({ width: 256, height: 256 });
});

test('every file that the README and its neighbours link to is there', () => {
  for (const name of ['README.md', 'CONTRIBUTING.md', 'THIRD_PARTY.md', 'models/README.md', 'demo/README.md']) {
    const text = readFileSync(path.join(root, name), 'utf8');
    for (const [, link] of text.matchAll(/\]\(([^)#]+)\)/g)) {
      if (!link!.startsWith('https://')) readFileSync(path.join(root, path.dirname(name), link!));
    }
  }
});
