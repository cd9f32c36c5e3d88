import type { default as Sharp } from 'sharp';
import { DinomalyError } from '../errors';
import type { ImageInput, RawImage } from '../types';
import { bytes, fields, integer, invalid, number, parse } from '../validate';

const rawImage = fields({
  data: bytes,
  width: integer(1),
  height: integer(1),
  channels: number('1, 3 or 4', (value) => [1, 3, 4].includes(value)),
});

/** 8-bit pixels, rows from the top, channels interleaved. */
export interface Pixels {
  data: Uint8Array;
  width: number;
  height: number;
}

type Pipeline = ReturnType<typeof Sharp>;

/** libvips takes as much time and memory to load as this package: it comes with the first picture that is not raw. */
async function loadDecoder(): Promise<typeof Sharp> {
  try {
    return (await import('sharp')).default;
  } catch (cause) {
    throw new DinomalyError(
      'ERR_ADDON',
      `sharp, which decodes pictures, could not be loaded: ${(cause as Error).message.trim()} ` +
        'Expected: its binary for this platform, an optional dependency that npm installs (without --omit=optional).',
      { cause },
    );
  }
}

/** What to call a picture in a message: its path, or what it is. */
export function nameOf(image: ImageInput): string {
  if (typeof image === 'string') return image;
  return isRaw(image) ? `raw picture, ${image.width} x ${image.height}` : `encoded picture, ${image.byteLength} bytes`;
}

/**
 * Decodes to RGB as Pillow's `convert('RGB')` does: grey is repeated, a palette looked up, alpha dropped (not blended),
 * an ICC profile ignored, and of an animated picture the first frame taken. Where Pillow is of no help, this is stated:
 * 16 bits are cut to their upper 8, CMYK goes through libvips' own profile, and EXIF orientation is applied, so that
 * what is scored is what a person sees. JPEG pixels may differ from Pillow's by the decoder's rounding.
 *
 * @throws ERR_IMAGE_UNREADABLE naming the picture, ERR_INVALID_ARGUMENT for what is no picture at all, ERR_ADDON without sharp
 */
export async function decodeRgb(image: ImageInput): Promise<Pixels> {
  checkImage(image);
  if (isRaw(image) && image.channels === 3) return copyOf(image);
  return decode(image, (pipeline) => pipeline.removeAlpha().toColourspace('srgb'));
}

/** Decodes a mask to one grey channel, treated as {@link decodeRgb} treats pictures. */
export async function decodeGrey(image: ImageInput): Promise<Pixels> {
  checkImage(image);
  if (isRaw(image) && image.channels === 1) return copyOf(image);
  return decode(image, (pipeline) => pipeline.removeAlpha().toColourspace('b-w'));
}

/** Native code reads pixels on another thread, where the caller's own could be transferred away from under it. */
function copyOf({ data, width, height }: RawImage): Pixels {
  return { data: new Uint8Array(data), width, height };
}

/** PNG of RGB pixels. */
export async function encodePng({ data, width, height }: Pixels): Promise<Buffer> {
  const sharp = await loadDecoder();
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

async function decode(image: ImageInput, convert: (pipeline: Pipeline) => Pipeline): Promise<Pixels> {
  const sharp = await loadDecoder();
  try {
    const { data, info } = await convert(open(sharp, image)).raw().toBuffer({ resolveWithObject: true });
    return { data, width: info.width, height: info.height };
  } catch (cause) {
    throw new DinomalyError(
      'ERR_IMAGE_UNREADABLE',
      `${nameOf(image)}: expected a picture that can be decoded (JPEG, PNG, WebP, TIFF, GIF, AVIF), ` +
        `found: ${firstLine((cause as Error).message)}.`,
      { cause },
    );
  }
}

/** libvips appends what other pictures had wrong at the same time. */
function firstLine(message: string): string {
  return message.trim().split('\n', 1)[0]!;
}

function open(sharp: typeof Sharp, image: ImageInput): Pipeline {
  if (isRaw(image)) {
    const { data, width, height, channels } = image;
    return sharp(data, { raw: { width, height, channels } });
  }
  return sharp(image, {
    autoOrient: true,
    failOn: 'error',
    ignoreIcc: true,
    pages: 1,
  });
}

function isRaw(image: ImageInput): image is RawImage {
  return typeof image === 'object' && !(image instanceof Uint8Array);
}

function checkImage(image: ImageInput): void {
  if ((typeof image === 'string' && image !== '') || image instanceof Uint8Array) return;
  const { data, width, height, channels } = parse(rawImage, image, 'image');
  if (data.length !== width * height * channels) {
    throw invalid('image.data', `width x height x channels = ${width * height * channels} bytes`, data.length);
  }
}
