import { readFileSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import { addon } from '../lib/addon';
import { decodeRgb } from '../lib/image/decode';

interface GoldenPicture {
  source: string;
  resize: number;
  crop: number;
  expected: string;
}

const folder = path.join(__dirname, 'golden', 'images');
const cases = JSON.parse(readFileSync(path.join(folder, 'expected.json'), 'utf8')) as GoldenPicture[];

/** The largest difference between two pictures of one size. */
function largestDifference(a: Uint8Array, b: Uint8Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((largest, byte, i) => Math.max(largest, Math.abs(byte - (b[i] ?? NaN))), 0);
}

test('there are golden pictures', () => {
  expect(cases.length).toBeGreaterThan(0);
});

test.each(cases)(
  '$source resized to $resize and cropped to $crop is what Pillow gives, to the byte',
  async (golden) => {
    const { data, width, height } = await decodeRgb(path.join(folder, golden.source));
    const prepared = await addon().prepareImage(data, width, height, golden.resize, golden.crop);
    const expected = await sharp(path.join(folder, golden.expected)).toColourspace('srgb').raw().toBuffer();
    expect(largestDifference(prepared, expected)).toBe(0);
  },
);
