import { DinomalyError } from './errors';
import type { ImageInput, Unreadable } from './types';

/** Lets a run go on without pictures that cannot be decoded, if it was asked to, and warns of each once. */
export class UnreadablePictures {
  readonly #warned = new Set<ImageInput>();

  constructor(private readonly choice: Unreadable) {}

  /** What `read` gives for this picture, or undefined where the picture is to be skipped. */
  async orSkip<T>(image: ImageInput, read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read();
    } catch (error) {
      const skip = this.choice === 'skip' && error instanceof DinomalyError && error.code === 'ERR_IMAGE_UNREADABLE';
      if (!skip) throw error;
      if (!this.#warned.has(image)) {
        this.#warned.add(image);
        process.emitWarning(`Left out: ${error.message}`, { code: 'DINOMALY_IMAGE_UNREADABLE' });
      }
      return undefined;
    }
  }
}
