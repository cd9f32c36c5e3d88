// What a GPU's matrix products were found to be quickest with, kept for the next process.
import type { NativeModel } from '../addon';
import { cacheFile, readCached, writeCached } from './cache';
import { surroundings, type Surroundings } from './surroundings';

const mostBytes = 2 ** 20;

/** Gives a new model what other processes measured. A damaged file is as good as none. */
export async function recallTuning(native: NativeModel, around: Surroundings = surroundings()): Promise<void> {
  const text = await readCached(cacheFile('tuning.txt', around), mostBytes);
  if (text) await native.addTuning(text).catch(() => {});
}

const keptAgainAfter = 60_000; // milliseconds

/** Calls keepTuning() when it is called, but not more often than once a minute: shapes that come up later are few. */
export function tuningKeeper(native: NativeModel): () => void {
  let next = 0;
  return () => {
    if (performance.now() < next) return;
    next = performance.now() + keptAgainAfter;
    keepTuning(native).catch(() => {}); // the model was disposed of
  };
}

/** Keeps what a model measured, if it is not what is kept already. */
export async function keepTuning(native: NativeModel, around: Surroundings = surroundings()): Promise<void> {
  const text = await native.tuning();
  const file = cacheFile('tuning.txt', around);
  if (text !== '' && text !== (await readCached(file, mostBytes))) await writeCached(file, text);
}
