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
 * @param ordinal the GPU's number, as CUDA counts them; undefined: the lowest on which any pair can compute
 */
export function choose(tested: Tested[], ordinal: number | undefined): Choice | undefined {
  const working = tested.flatMap((pair) => (pair.report && pair.problem === '' ? [{ pair, report: pair.report }] : []));
  const number = ordinal ?? Math.min(...working.map(({ report }) => firstUsable(report)));
  let best: (Choice & { score: number }) | undefined;
  for (const { pair, report } of working) {
    const device = report.devices[number];
    if (!device?.usable || (best && best.score >= report.score)) continue;
    best = { pair, ordinal: number, device, score: report.score };
  }
  return best;
}

function firstUsable({ devices }: DeviceReport): number {
  const number = devices.findIndex(({ usable }) => usable);
  return number === -1 ? Infinity : number;
}
