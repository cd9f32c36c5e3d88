import type { NativeModel } from './addon';
import type { TuningKeeper } from './device';
import type { Limit } from './limit';
import type { ModelConfig } from './types';

/** What scoring, evaluating and training share of a model. */
export interface Network {
  native: NativeModel;
  config: ModelConfig;
  /** Where it runs. */
  device: 'cpu' | `cuda:${number}`;
  tuning: TuningKeeper;
  /** Bounds how many decoded pictures that are scored this model holds in memory. */
  pictures: Limit;
}
