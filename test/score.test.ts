import { getEventListeners } from 'node:events';
import path from 'node:path';
import sharp from 'sharp';
import { Dinomaly, type RawImage, type ScoreResult } from '../lib';
import { rejection } from './support/error';
import { disposing, picture, small, writePicture } from './support/small';
import { temporaryFolder } from './support/temporaryFolder';

const folder = temporaryFolder();
const opened = disposing();

/** The same bits, or a message that says which picture differs. */
function expectSame(found: ScoreResult[], expected: ScoreResult[]): void {
  expect(found.map(({ score }) => score)).toEqual(expected.map(({ score }) => score));
  const differing = found.flatMap(({ map }, i) =>
    Buffer.compare(bytes(map.data), bytes(expected[i]!.map.data)) ? [i] : [],
  );
  expect(differing).toEqual([]);
}

function bytes(data: Float32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

test('an untrained model scores, and says that it is untrained', async () => {
  const model = await opened(Dinomaly.create(small));
  const result = await model.score(picture(1));
  expect(model.config.trained).toBe(false);
  expect(Object.keys(result)).toEqual(['score', 'map']);
  expect([result.map.width, result.map.height, result.map.data.length]).toEqual([256, 256, 65536]);
  const highest = result.map.data.slice().sort().slice(-655);
  expect(result.score).toBeCloseTo(highest.reduce((sum, value) => sum + value, 0) / 655, 5);
});

test('scores asked for at the same time are those asked for alone, in order', async () => {
  const model = await opened(Dinomaly.create(small));
  const pictures = Array.from({ length: 40 }, (_, i) => picture(i));
  const alone: ScoreResult[] = [];
  for (const image of pictures) alone.push(await model.score(image));
  expect(new Set(alone.map(({ score }) => score)).size).toBeGreaterThan(35);
  expectSame(await model.score(pictures), alone);
  expectSame(await Promise.all(pictures.map((image) => model.score(image))), alone);
  expect(await model.score([])).toEqual([]);
});

test('the number of threads changes no bit', async () => {
  const [one, two] = await Promise.all([1, 2].map((threads) => opened(Dinomaly.create({ ...small, threads }))));
  const pictures = [picture(1), picture(2), picture(3)];
  expectSame(await one!.score(pictures), await two!.score(pictures));
});

test('two models at once do not disturb each other', async () => {
  const [a, b] = await Promise.all([1, 2].map((seed) => opened(Dinomaly.create({ ...small, seed }))));
  const pictures = Array.from({ length: 10 }, (_, i) => picture(i));
  const apart = [await a!.score(pictures), await b!.score(pictures)];
  expect(apart[0]![0]!.score).not.toBe(apart[1]![0]!.score);
  const together = await Promise.all([a!.score(pictures), b!.score(pictures)]);
  expectSame(together[0], apart[0]!);
  expectSame(together[1], apart[1]!);
});

describe('original', () => {
  test('is the map in the picture, NaN where the crop cut it off', async () => {
    const model = await opened(Dinomaly.create({ ...small, image: { resize: 64, crop: 28 } }));
    const { original, map } = await model.score(picture(1, 128, 96), { original: true });
    expect([original.width, original.height, original.data.length]).toEqual([128, 96, 128 * 96]);
    // 18 of 64 rows and columns are cut off on each side: 36 of 128 columns, 27 of 96 rows.
    const kept = (x: number, y: number): boolean => x >= 36 && x < 92 && y >= 27 && y < 69;
    const wrong = [...original.data].filter((value, i) => Number.isNaN(value) === kept(i % 128, Math.floor(i / 128)));
    expect(wrong).toEqual([]);
    // The middle of the picture is the middle of the map.
    const centre = [127, 128].flatMap((y) => [127, 128].map((x) => map.data[256 * y + x]!));
    const middle = [47, 48].flatMap((y) => [63, 64].map((x) => original.data[128 * y + x]!));
    const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(Math.abs(mean(middle) / mean(centre) - 1)).toBeLessThan(0.05);
  });

  test('is that of the picture as a person sees it', async () => {
    const model = await opened(Dinomaly.create(small));
    const { data, width, height } = picture(1);
    const turned = await sharp(data, { raw: { width, height, channels: 3 } })
      .withMetadata({ orientation: 6 })
      .png()
      .toBuffer();
    const { original } = await model.score(turned, { original: true });
    expect([original.width, original.height]).toEqual([height, width]);
  });
});

describe('heatmap', () => {
  const image = picture(1, 128, 96);
  const decode = (png: Buffer): Promise<{ data: Buffer; info: sharp.OutputInfo }> =>
    sharp(png).raw().toBuffer({ resolveWithObject: true });

  test('is a PNG of the picture, untouched where it was cut off', async () => {
    const model = await opened(Dinomaly.create(small));
    const result = await model.score(image, { heatmap: 'png', original: true });
    const { data, info } = await decode(result.heatmap);
    expect([info.width, info.height, info.channels]).toEqual([128, 96, 3]);
    const untouched = (i: number): boolean => [0, 1, 2].every((c) => data[3 * i + c] === image.data[3 * i + c]);
    const pixels = Array.from({ length: 128 * 96 }, (_, i) => i);
    const cutOff = pixels.filter((i) => Number.isNaN(result.original.data[i]!));
    expect(cutOff.length).toBeGreaterThan(0);
    expect(cutOff.every(untouched)).toBe(true);
    const covered = pixels.filter((i) => !Number.isNaN(result.original.data[i]!));
    expect(covered.filter(untouched).length / covered.length).toBeLessThan(0.1);
  });

  test('has a fixed scale: heatmapMax, which may be given', async () => {
    const model = await opened(Dinomaly.create(small));
    const [unsaid, stored, other] = [
      await model.score(image, { heatmap: 'png' }),
      await model.score(image, { heatmap: 'png', heatmapMax: model.config.heatmapMax }),
      await model.score(image, { heatmap: 'png', heatmapMax: 1.5 }),
    ];
    expect(Buffer.compare(unsaid.heatmap, stored.heatmap)).toBe(0);
    expect(Buffer.compare(unsaid.heatmap, other.heatmap)).not.toBe(0);
    expectSame([unsaid], [other]); // raw values stay as they are
  });
});

describe('a picture that cannot be read', () => {
  test('is named, and fails the array that it is in', async () => {
    const model = await opened(Dinomaly.create(small));
    const absent = path.join(folder, 'absent.png');
    const file = await writePicture(path.join(folder, 'there.png'), picture(1));
    const error = await rejection(model.score([file, absent, file]), 'ERR_IMAGE_UNREADABLE');
    expect(error.message).toContain(absent);
    await model.score(file);
  });
});

describe('abort', () => {
  test('rejects with the reason, before and while a score is computed', async () => {
    const model = await opened(Dinomaly.create(small));
    const reason = new Error('enough');
    await expect(model.score(picture(1), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const many = model.score(
      Array.from({ length: 100 }, (_, i) => picture(i)),
      { signal: controller.signal },
    );
    setTimeout(() => controller.abort(reason), 5);
    await expect(many).rejects.toBe(reason);
    await model.score(picture(1));
  });

  test('takes as many listeners for fifty pictures as for one, and leaves none', async () => {
    const model = await opened(Dinomaly.create(small));
    const { signal } = new AbortController();
    const added = jest.spyOn(Object.getPrototypeOf(AbortSignal.prototype) as EventTarget, 'addEventListener');
    await model.score([picture(1)], { signal });
    const forOne = added.mock.calls.length;
    await model.score(new Array<RawImage>(50).fill(picture(1)), { signal });
    expect(forOne).toBeGreaterThan(0);
    expect(added.mock.calls).toHaveLength(2 * forOne);
    added.mockRestore();
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test('holds for infer', async () => {
    const model = await opened(Dinomaly.create(small));
    const reason = new Error('enough');
    const input = { data: new Float32Array(3 * 56 * 56), shape: [1, 3, 56, 56] };
    await expect(model.infer(input, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect((await model.infer(input)).scores).toHaveLength(1);
  });
});

test('a non-square input is inferred', async () => {
  const model = await opened(Dinomaly.create(small));
  const input = { data: new Float32Array(3 * 28 * 42).fill(0.5), shape: [1, 3, 28, 42] };
  const { encoder, maps } = await model.infer(input);
  expect(encoder[0]!.shape).toEqual([1, 6, 64]);
  expect(maps.shape).toEqual([1, 256, 256]);
});
