import type { NativeModel } from './addon';
import type { Limit } from './limit';
import type { ModelConfig } from './types';

/** What scoring, evaluating and training share of a model. */
export interface Network {
  native: NativeModel;
  config: ModelConfig;
  /** Where it runs. */
  device: 'cpu' | `cuda:${number}`;
  /** To be called when it has computed something. */
  worked: () => void;
  /** Bounds how many decoded pictures that are scored this model holds in memory. */
  pictures: Limit;
}
