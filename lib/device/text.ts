import { choose, type Choice } from './choose';
import type { CudaCandidate, CudaReport, Look, Pair, Tested } from './report';

/** What a search brought to light. */
export interface Search {
  driver: string | null;
  looked: Look[];
  tested: Tested[];
}

/** The search as it is told: which pair is taken for the GPU, and why the others are not. */
export function reportOf({ driver, looked, tested }: Search, ordinal: number | undefined): CudaReport {
  const choice = choose(tested, ordinal);
  const candidates = tested.map((pair) => judged(pair, choice, ordinal));
  const device = choice ? (`cuda:${choice.ordinal}` as const) : null;
  return { device, driver, looked, candidates, text: textOf(driver, looked, candidates) };
}

function judged(pair: Tested, choice: Choice | undefined, ordinal: number | undefined): CudaCandidate {
  const taken = pair === choice?.pair;
  return { ...pair, taken, why: taken ? takenText(choice) : notTakenText(pair, choice, ordinal) };
}

function takenText({ pair, ordinal, device }: Choice): string {
  const { toolkit, cublasLt } = pair.report!;
  const memory = (device.memoryBytes / 2 ** 30).toFixed(1);
  return (
    `taken: CUDA ${version(toolkit)}, cuBLASLt ${cublasLtVersion(cublasLt)}; GPU ${ordinal} is ${device.name} ` +
    `(compute capability ${device.capability}, ${memory} GiB)`
  );
}

function notTakenText({ problem, report }: Tested, choice: Choice | undefined, ordinal: number | undefined): string {
  if (problem !== '') return `not taken: ${problem}`;
  const number = choice?.ordinal ?? ordinal;
  if (!choice || !report!.devices[choice.ordinal]?.usable)
    return `not taken: expected a GPU ${number} that it has code for, found ${gpusText(report!.devices)}`;
  if (choice.pair.report!.score > report!.score) return 'not taken: it works, but so does one of a newer toolkit';
  return 'not taken: it works, but one before it does so as well';
}

function gpusText(devices: { name: string; capability: string; usable: boolean }[]): string {
  return devices
    .map(({ name, capability, usable }, i) => `GPU ${i}: ${name} (${capability}${usable ? '' : ', no code for it'})`)
    .join(', ');
}

function textOf(driver: string | null, looked: Look[], candidates: CudaCandidate[]): string {
  return [
    `NVIDIA driver: ${driver ?? 'none'}`,
    ...looked.map(lookText),
    ...candidates.map((candidate) => `${pairText(candidate)}: ${candidate.why}`),
  ].join('\n');
}

function lookText({ file, place, paths, found }: Look): string {
  if (paths === null) return `${file}, ${place}: left to it`;
  if (paths.length === 0) return `${file}, ${place}: nothing to look at`;
  return `${file}, ${place}: ${found.length > 0 ? found.join(', ') : `not found (${paths.join(', ')})`}`;
}

function pairText({ library, cublasLt }: Pair): string {
  return `${library} with ${cublasLt ?? "the system's cuBLASLt"}`;
}

/** 12040 is 12.4. */
function version(number: number): string {
  return `${Math.floor(number / 1000)}.${Math.floor((number % 1000) / 10)}`;
}

/** 120402 is 12.4.2. */
function cublasLtVersion(number: number): string {
  return [Math.floor(number / 10_000), Math.floor(number / 100) % 100, number % 100].join('.');
}
