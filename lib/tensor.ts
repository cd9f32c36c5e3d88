import { types } from 'node:util';
import type { EncoderShape, Tensor } from './types';
import { invalid } from './validate';

/**
 * Checks normalised pictures (B,3,H,W) for the network.
 *
 * @throws ERR_INVALID_ARGUMENT when the shape is another, H or W no multiple of the patch, or `data` of another length
 */
export function checkPictures(tensor: Tensor, { patch }: Pick<EncoderShape, 'patch'>, what: string): void {
  const { data, shape } = Object(tensor) as Partial<Tensor>;
  const sides = Array.isArray(shape) ? shape : [];
  const [batch = 0, channels = 0, height = 0, width = 0] = sides;
  const whole = sides.length === 4 && sides.every((side) => Number.isSafeInteger(side) && side > 0);
  if (!whole || channels !== 3 || height % patch! !== 0 || width % patch! !== 0) {
    throw invalid(`${what}.shape`, `[B, 3, H, W], H and W multiples of the encoder's patch (${patch})`, shape);
  }
  if (!types.isFloat32Array(data)) throw invalid(`${what}.data`, 'a Float32Array', data);
  const size = batch * channels * height * width;
  if (data.length !== size) throw invalid(`${what}.data`, `${size} numbers (${sides.join(' x ')})`, data.length);
}
