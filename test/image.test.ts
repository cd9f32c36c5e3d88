import { readFileSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import { decodeGrey, decodeRgb } from '../lib/image/decode';
import { rejection } from './support/error';
import { picture, writePicture } from './support/small';
import { temporaryFolder } from './support/temporaryFolder';

const folder = temporaryFolder();
const raw = (data: ArrayLike<number>, width: number, height: number, channels: 1 | 2 | 3 | 4): sharp.Sharp =>
  sharp(Uint8Array.from(data), { raw: { width, height, channels } });
const pixelsOf = async (image: Parameters<typeof decodeRgb>[0]): Promise<number[]> => [
  ...(await decodeRgb(image)).data,
];

test('grey is repeated', async () => {
  const png = await raw([1, 200], 2, 1, 1).toColourspace('b-w').png().toBuffer();
  expect((await sharp(png).metadata()).channels).toBe(1);
  expect(await pixelsOf(png)).toEqual([1, 1, 1, 200, 200, 200]);
});

test('alpha is dropped, not blended', async () => {
  const png = await raw([200, 100, 50, 10, 1, 2, 3, 0], 2, 1, 4).png().toBuffer();
  expect(await pixelsOf(png)).toEqual([200, 100, 50, 1, 2, 3]);
  const greyAlpha = await raw([200, 10, 7, 0], 2, 1, 2).toColourspace('b-w').png().toBuffer();
  expect((await sharp(greyAlpha).metadata()).channels).toBe(2);
  expect(await pixelsOf(greyAlpha)).toEqual([200, 200, 200, 7, 7, 7]);
});

test('a palette is looked up', async () => {
  const file = path.join(__dirname, 'golden/images/palette.png');
  expect((await sharp(file).metadata()).isPalette).toBe(true);
  // What Pillow's convert('RGB') gives for the first two pixels.
  expect((await pixelsOf(file)).slice(0, 6)).toEqual([176, 232, 124, 176, 232, 124]);
});

test('of 16 bits the upper 8 stay', async () => {
  const options = { raw: { width: 2, height: 1, channels: 3 } } as const;
  const values = Uint16Array.of(0x1234, 0x80ff, 0xffff, 0x00ff, 0x0100, 0x7fff);
  const png = await sharp(values, options).toColourspace('rgb16').png().toBuffer();
  expect((await sharp(png).metadata()).depth).toBe('ushort');
  expect(await pixelsOf(png)).toEqual([0x12, 0x80, 0xff, 0x00, 0x01, 0x7f]);
  const grey = await sharp(Uint16Array.of(0x1234, 0x80ff), { raw: { width: 2, height: 1, channels: 1 } })
    .toColourspace('grey16')
    .png()
    .toBuffer();
  expect((await sharp(grey).metadata()).space).toBe('grey16');
  expect(await pixelsOf(grey)).toEqual([0x12, 0x12, 0x12, 0x80, 0x80, 0x80]);
});

test('EXIF orientation is applied', async () => {
  const turned = await raw([1, 2, 3, 4, 5, 6], 2, 1, 3).withMetadata({ orientation: 6 }).png().toBuffer();
  expect((await sharp(turned).metadata()).orientation).toBe(6);
  const decoded = await decodeRgb(turned);
  expect([decoded.width, decoded.height]).toEqual([1, 2]);
  expect([...decoded.data]).toEqual([1, 2, 3, 4, 5, 6]);
});

test('CMYK becomes RGB', async () => {
  const red = { create: { width: 8, height: 8, channels: 3, background: { r: 200, g: 60, b: 20 } } } as const;
  const jpeg = await sharp(red).toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer();
  expect((await sharp(jpeg).metadata()).space).toBe('cmyk');
  const [r, g, b] = await pixelsOf(jpeg);
  // There and back through a printing profile; without one, red and its complement would change places.
  expect(Math.abs(r! - 200)).toBeLessThanOrEqual(20);
  expect(Math.abs(g! - 60)).toBeLessThanOrEqual(20);
  expect(Math.abs(b! - 20)).toBeLessThanOrEqual(20);
});

test('of an animated picture the first frame is taken', async () => {
  const frames = Uint8Array.from({ length: 2 * 4 * 4 * 3 }, (_, i) => (i < 48 ? 255 : 0));
  const gif = await sharp(frames, { raw: { width: 4, height: 8, channels: 3, pageHeight: 4 } })
    .gif()
    .toBuffer();
  expect((await sharp(gif).metadata()).pages).toBe(2);
  const decoded = await decodeRgb(gif);
  expect([decoded.width, decoded.height]).toEqual([4, 4]);
  expect(new Set(decoded.data)).toEqual(new Set([255]));
});

test('an ICC profile is ignored', async () => {
  const png = await raw([200, 100, 50], 1, 1, 3).withIccProfile('p3').png().toBuffer();
  const stored = await sharp(png, { ignoreIcc: true }).raw().toBuffer();
  expect((await sharp(png).metadata()).icc).toBeDefined();
  expect(await pixelsOf(png)).toEqual([...stored]);
});

test('raw pixels are taken with one, three or four channels', async () => {
  expect(await pixelsOf({ data: Uint8Array.of(5, 6), width: 2, height: 1, channels: 1 })).toEqual([5, 5, 5, 6, 6, 6]);
  expect(await pixelsOf({ data: Uint8Array.of(5, 6, 7), width: 1, height: 1, channels: 3 })).toEqual([5, 6, 7]);
  expect(await pixelsOf({ data: Uint8Array.of(5, 6, 7, 0), width: 1, height: 1, channels: 4 })).toEqual([5, 6, 7]);
});

test('a path, its bytes and its pixels are the same picture', async () => {
  const image = picture(1);
  const file = await writePicture(path.join(folder, 'same.png'), image);
  expect(await pixelsOf(file)).toEqual([...image.data]);
  expect(await pixelsOf(readFileSync(file))).toEqual([...image.data]);
});

test('a mask becomes one channel', async () => {
  const colour = await raw([255, 255, 255, 0, 0, 0], 2, 1, 3).png().toBuffer();
  expect([...(await decodeGrey(colour)).data]).toEqual([255, 0]);
  expect([...(await decodeGrey({ data: Uint8Array.of(1, 0), width: 2, height: 1, channels: 1 })).data]).toEqual([1, 0]);
});

test('what cannot be decoded is named', async () => {
  const whole = readFileSync(path.join(__dirname, '../demo/brick/train/good/000.jpg'));
  const truncated = await rejection(decodeRgb(whole.subarray(0, 3000)), 'ERR_IMAGE_UNREADABLE');
  expect(truncated.message).toMatch(/encoded picture, 3000 bytes: .*premature end/);
  const absent = path.join(folder, 'absent.png');
  expect((await rejection(decodeRgb(absent), 'ERR_IMAGE_UNREADABLE')).message).toContain(absent);
  await rejection(decodeRgb(Buffer.from('no picture')), 'ERR_IMAGE_UNREADABLE');
  await rejection(decodeRgb(Buffer.alloc(0)), 'ERR_IMAGE_UNREADABLE');
  await rejection(decodeRgb(folder), 'ERR_IMAGE_UNREADABLE');
});

test('without sharp nothing but raw pictures is taken, and the error says what to do', async () => {
  jest.doMock('sharp', () => {
    throw new Error('Could not load the "sharp" module');
  });
  try {
    const { message } = await rejection(decodeRgb(Buffer.from('any')), 'ERR_ADDON');
    expect(message).toMatch(/Could not load the "sharp" module.*omit=optional/);
    expect(await pixelsOf({ data: Uint8Array.of(5, 6, 7), width: 1, height: 1, channels: 3 })).toEqual([5, 6, 7]);
  } finally {
    jest.dontMock('sharp');
  }
});
