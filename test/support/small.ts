import { mkdirSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import { type CreateOptions, type Dataset, Dinomaly, type RawImage, type Tensor } from '../../lib';

/** A network that trains in milliseconds: random, four blocks, two groups, 56 x 56 pixels. */
export const small = {
  encoder: { dim: 64, heads: 1, depth: 4, grid: 5, targets: [0, 1, 2, 3] },
  image: { resize: 64, crop: 56 },
  seed: 3,
  threads: 2,
} satisfies CreateOptions;

/** Models that are disposed of after each test of the calling file. */
export function disposing(): (made: Promise<Dinomaly>) => Promise<Dinomaly> {
  const models: Dinomaly[] = [];
  afterEach(async () => {
    await Promise.all(models.splice(0).map((model) => model.dispose()));
  });
  return async (made) => {
    const model = await made;
    models.push(model);
    return model;
  };
}

/** Numbers in [0, 1), the same in every run (a linear congruence). */
export function noise(seed: number): () => number {
  let state = seed >>> 0;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

/** A striped picture with some noise. */
export function picture(seed: number, width = 72, height = 60): RawImage {
  const random = noise(seed);
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) {
    const column = Math.floor(i / 3) % width;
    data[i] = (column % 8 < 4 ? 60 : 180) + Math.floor(40 * random());
  }
  return { data, width, height, channels: 3 };
}

export async function writePicture(file: string, { data, width, height, channels }: RawImage): Promise<string> {
  mkdirSync(path.dirname(file), { recursive: true });
  await sharp(data, { raw: { width, height, channels } }).toFile(file);
  return file;
}

/** Two classes of `perClass` raw pictures to train on, and one good and one defective picture each to test on. */
export function smallDataset(perClass = 6): Dataset {
  const classes = ['stripes', 'bands'];
  const mask = { data: new Uint8Array(72 * 60), width: 72, height: 60, channels: 1 } as const;
  const defect = { ...mask, data: mask.data.map((_, i) => (i % 72 > 30 && i % 72 < 45 ? 255 : 0)) };
  return {
    classes,
    train: classes.flatMap((name, c) =>
      Array.from({ length: perClass }, (_, i) => ({ image: picture(100 * c + i), class: name })),
    ),
    test: classes.flatMap((name, c) => [
      { image: picture(100 * c + 50), class: name, label: 0 as const },
      { image: invert(picture(100 * c + 51), defect), class: name, label: 1 as const, mask: defect },
    ]),
  };
}

function invert(image: RawImage, mask: RawImage): RawImage {
  return { ...image, data: image.data.map((value, i) => (mask.data[Math.floor(i / 3)]! > 0 ? 255 - value : value)) };
}

/** A normalised batch (B,3,side,side). */
export function batch(seed: number, images = 2, side = 56): Tensor {
  const random = noise(seed);
  const data = Float32Array.from({ length: images * 3 * side * side }, () => 4 * random() - 2);
  return { data, shape: [images, 3, side, side] };
}

export function batches(count: number, images = 2): Tensor[] {
  return Array.from({ length: count }, (_, i) => batch(i, images));
}
