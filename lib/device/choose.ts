import type { CudaDevice, DeviceReport } from '../addon';
import type { Tested } from './report';

/** A pair that works, and the GPU to take with it. */
export interface Choice {
  pair: Tested;
  ordinal: number;
  device: CudaDevice;
}

/**
 * The pair with the best score of those that can compute on the GPU; among equals the first.
 *
 * @param ordinal the GPU's number, as CUDA counts them; undefined: each pair's first that it can compute on
 */
export function choose(tested: Tested[], ordinal: number | undefined): Choice | undefined {
  let best: (Choice & { score: number }) | undefined;
  for (const pair of tested) {
    if (pair.report === null || pair.problem !== '') continue;
    const number = ordinal ?? firstUsable(pair.report);
    const device = pair.report.devices[number];
    if (!device?.usable || (best && best.score >= pair.report.score)) continue;
    best = { pair, ordinal: number, device, score: pair.report.score };
  }
  return best;
}

function firstUsable({ devices }: DeviceReport): number {
  return devices.findIndex(({ usable }) => usable);
}
