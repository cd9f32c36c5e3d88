// What a GPU's matrix products were found to be quickest with, kept for the next process.
import { rm } from 'node:fs/promises';
import type { NativeModel } from '../addon';
import { surroundings, type Surroundings } from './surroundings';
import { mergeTunings } from './tuningText';

const mostBytes = 2 ** 20;

/** Loaded for a GPU alone, since it loads OpenSSL. */
const cache = () => require('./cache') as typeof import('./cache');

/** Gives a new model what other processes measured. A damaged file is removed. */
export async function recallTuning(native: NativeModel, around: Surroundings = surroundings()): Promise<void> {
  const { cacheFile, readCached } = cache();
  const file = cacheFile('tuning.txt', around);
  const text = file && (await readCached(file, mostBytes));
  if (!text) return;
  await native.addTuning(text).catch(async (error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ERR_FILE_FORMAT') await rm(file, { force: true }).catch(() => {});
  });
}

/** Keeps what a model measures. */
export interface TuningKeeper {
  /** To be called when the model has computed something: keeps at most once a minute. */
  worked(): void;
  /** Keeps what there is now. Never rejects. */
  keep(): Promise<void>;
  /** Resolves when nothing is being kept any more. */
  settled(): Promise<void>;
}

/** Where nothing is measured. */
export const keepsNothing: TuningKeeper = {
  worked: () => {},
  keep: () => Promise.resolve(),
  settled: () => Promise.resolve(),
};

const keptAgainAfter = 60_000; // milliseconds

export function tuningKeeper(native: NativeModel, around: Surroundings = surroundings()): TuningKeeper {
  let next = 0;
  let last = Promise.resolve();
  const keep = (): Promise<void> => {
    const text = native.tuning(); // at once, before a dispose() that may follow
    const kept = Promise.all([text, last]).then(([measured]) => write(measured, around));
    return (last = kept.catch(() => {})); // the model was disposed of
  };
  const worked = (): void => {
    if (performance.now() < next) return;
    next = performance.now() + keptAgainAfter;
    void keep();
  };
  return { worked, keep, settled: () => last };
}

async function write(measured: string, around: Surroundings): Promise<void> {
  const { cacheFile, readCached, writeCached } = cache();
  const file = cacheFile('tuning.txt', around);
  if (measured === '' || measured.length > mostBytes || file === undefined) return;
  const before = await readCached(file, mostBytes);
  const merged = mergeTunings(measured, before ?? '', mostBytes);
  if (merged !== before) await writeCached(file, merged);
}
