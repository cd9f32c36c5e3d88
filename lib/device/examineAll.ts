import { examine } from './examine';
import type { Found } from './find';
import type { Tested } from './report';
import type { Surroundings } from './surroundings';

/** Tests all libraries at a time, each with one cuBLASLt after the other until it works. */
export async function examineAll({ libraries }: Found, surroundings: Surroundings): Promise<Tested[]> {
  const all = libraries.map(async (pairs) => {
    const started = performance.now();
    const tested: Tested[] = [];
    for (const pair of pairs) {
      const reason = needless(tested, performance.now() - started > surroundings.timeLimit);
      tested.push(reason === '' ? await examine(pair, surroundings) : { ...pair, report: null, problem: reason });
    }
    return tested;
  });
  return (await Promise.all(all)).flat();
}

/** Why a library need not be tested with a further cuBLASLt; empty: it must. */
function needless(tested: Tested[], late: boolean): string {
  if (tested.some(({ problem }) => problem === '')) return 'the library works with another cuBLASLt already';
  if (tested.some(({ report }) => report?.devices.every(({ usable }) => !usable)))
    return 'the library has no GPU to compute on, whatever the cuBLASLt';
  return late ? 'not tested, since the tests of this library took too long already' : '';
}
