// Files that sides read, made before they are measured.
import { existsSync, mkdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import sharp from 'sharp';
import { root } from '../../scripts/setup.mjs';
import { made } from './install.mjs';
import { Side } from './side.mjs';

const jpegCount = 16;
const jpegSide = 1024;

export const jpegs = Array.from({ length: jpegCount }, (_, i) => path.join(made, 'jpegs', `${i}.jpg`));

/** The demo's photographs as a camera might deliver them: 1024 x 1024. */
async function writeJpegs() {
  mkdirSync(path.dirname(jpegs[0]), { recursive: true });
  const folder = path.join(root, 'demo/brick/train/good');
  const photographs = (await readdir(folder)).sort();
  for (const [i, file] of jpegs.entries()) {
    const photograph = sharp(path.join(folder, photographs[i]));
    await photograph.resize(jpegSide, jpegSide, { fit: 'fill' }).jpeg({ quality: 90 }).toFile(file);
  }
}

async function letWrite(side, work) {
  const writer = new Side(side, 2);
  try {
    await writer.prepare('write-files', work);
    await writer.run(1);
  } finally {
    await writer.close();
  }
}

const written = new Set();

/** What the work's sides will open; of files that several works open the first makes them. */
export async function writeFiles({ kind, files = {}, work }) {
  if (kind === 'files') return writeJpegs();
  if (Object.values(files).every((file) => written.has(file) && existsSync(file))) return;
  mkdirSync(made, { recursive: true });
  await letWrite(kind === 'metrics' ? 'scikit-learn' : 'dinomaly-native', { ...work, ...files });
  for (const file of Object.values(files)) written.add(file);
}
