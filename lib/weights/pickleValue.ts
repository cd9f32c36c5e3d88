import type { Dtype } from './weightsFile';

/** What an untrusted pickle can become. Tuples and lists are arrays; dicts are Maps, so that no key is special. */
export type PickleValue =
  | null
  | boolean
  | number
  | string
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | GlobalName
  | Placeholder
  | TorchStorage
  | TorchTensor;

/** A name such as `collections.OrderedDict`. Nothing is ever looked up by it. */
export class GlobalName {
  constructor(readonly name: string) {}
}

/** Stands for what is not built: it takes whatever a pickle does to it, and does nothing. */
export class Placeholder {
  /** @param what what stood in the file, for the error if it is wanted */
  constructor(readonly what: string) {}
}

/** A record of a PyTorch archive, `data/<key>`. */
export class TorchStorage {
  constructor(
    readonly dtype: Dtype,
    readonly key: string,
    readonly count: number,
  ) {}
}

/** A view into a storage; offset and strides count values. */
export class TorchTensor {
  constructor(
    readonly storage: TorchStorage,
    readonly offset: number,
    readonly shape: number[],
    readonly strides: number[],
  ) {}
}
