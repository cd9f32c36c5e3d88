import { addon } from '../addon';
import { DinomalyError } from '../errors';
import type { ImageInput, ImageSize } from '../types';
import { decodeGrey, decodeRgb, nameOf, type Pixels } from './decode';

/** Decoded pixels as the network takes them: resized and cropped as Pillow does, crop x crop RGB bytes. */
export function preparePicture({ data, width, height }: Pixels, { resize, crop }: ImageSize): Promise<Uint8Array> {
  return addon().prepareImage(data, width, height, resize, crop);
}

/** {@link preparePicture} of a picture still to be decoded. */
export async function readPicture(image: ImageInput, size: ImageSize): Promise<Uint8Array> {
  return preparePicture(await decodeRgb(image), size);
}

/**
 * A mask as pixel metrics take it: resized and cropped as its picture is, 256 x 256, 1 where defective.
 *
 * @throws ERR_DATASET when it is not of its picture's size, ERR_IMAGE_UNREADABLE
 */
export async function readMask(mask: ImageInput, picture: Pixels, { resize, crop }: ImageSize): Promise<Uint8Array> {
  const { data, width, height } = await decodeGrey(mask);
  if (width !== picture.width || height !== picture.height) {
    throw new DinomalyError(
      'ERR_DATASET',
      `Mask ${nameOf(mask)}: expected its picture's size, ${picture.width} x ${picture.height}, ` +
        `found ${width} x ${height}.`,
    );
  }
  return addon().prepareMask(data, width, height, resize, crop);
}
