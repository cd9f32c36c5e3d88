import { setMaxListeners } from 'node:events';
import { addon, type CancelToken } from './addon';

/** Calls `abort` when the signal is aborted, at once if it is. Returns how to let go of the signal, which may live long. */
export function onAbort(signal: AbortSignal | undefined, abort: (reason: unknown) => void): () => void {
  if (!signal) return () => {};
  const listener = (): void => abort(signal.reason);
  if (signal.aborted) listener();
  setMaxListeners(0, signal); // one signal may stop any number of calls
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}

/** A controller of our own that the user's signal aborts too. `unlink` lets go of that signal. */
export function follow(signal: AbortSignal | undefined): { controller: AbortController; unlink: () => void } {
  const controller = new AbortController();
  return { controller, unlink: onAbort(signal, (reason) => controller.abort(reason)) };
}

/** Settles with `work`, or rejects with the signal's reason as soon as it is aborted. */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  let unlink = (): void => {};
  const aborted = new Promise<never>((_, reject) => (unlink = onAbort(signal, reject)));
  try {
    return await Promise.race([work, aborted]);
  } finally {
    unlink();
  }
}

/**
 * Calls `work` with a native token that is cancelled when the signal is aborted or `work` fails, so that nothing of it
 * goes on unseen; rejects with the signal's reason.
 */
export async function cancellable<T>(
  signal: AbortSignal | undefined,
  work: (token: CancelToken) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const token = new (addon().CancelToken)();
  const unlink = onAbort(signal, () => token.cancel());
  try {
    return await orAborted(work(token), signal);
  } catch (error) {
    token.cancel();
    throw error;
  } finally {
    unlink();
  }
}
