/** Every `code` a {@link DinomalyError} can carry, with what it means. Stable: codes are added, never renamed. */
export const errorCodes = {
  ERR_INVALID_ARGUMENT: 'An argument is missing, of the wrong type or out of range',
  ERR_FILE_NOT_FOUND: 'A file or folder does not exist or cannot be read',
  ERR_FILE_FORMAT: 'A weights file is truncated, damaged, hostile or of an unknown format',
  ERR_WEIGHTS_MISMATCH: 'Tensors in a weights file are missing, surplus or of another shape than the network',
  ERR_HUB: 'Weights could not be fetched from the hub',
  ERR_IMAGE_UNREADABLE: 'A picture cannot be decoded',
  ERR_DATASET: 'A data set is empty, lacks a folder or a mask, or has a class without pictures',
  ERR_LOSS_NOT_FINITE: 'The loss or a gradient became NaN or infinite; the weights are those of the iteration before',
  ERR_RESUME_MISMATCH: 'A checkpoint was made with other options than those given to resume it',
  ERR_OUT_OF_MEMORY: 'Memory ran out; the model stays usable',
  ERR_DEVICE_UNAVAILABLE: 'The device or precision asked for is not there',
  ERR_DEVICE_LOST: 'The GPU was lost or reset, or a kernel failed; models on it must be disposed of and made anew',
  ERR_DISPOSED: 'The model was disposed of',
  ERR_BUSY: 'The model is training already',
  ERR_IO: 'A file could not be written; the one that was there before is untouched',
  ERR_ADDON: "The native addon, or sharp's, could not be loaded",
  ERR_INTERNAL: 'A bug in this package',
} as const;

export type ErrorCode = keyof typeof errorCodes;

/** Thrown by everything in this package, but for an aborted call, which rejects with its signal's `reason`. */
export class DinomalyError extends Error {
  override readonly name = 'DinomalyError';

  /**
   * @param code one of {@link errorCodes}
   * @param message what was expected, what was found, what to do
   */
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
