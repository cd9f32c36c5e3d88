import { addon, type CancelToken } from './addon';

/** Settles with `work`, or rejects with the signal's reason as soon as it is aborted. */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  let stop: () => void = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Calls `work` with a native token that is cancelled when the signal is aborted; rejects with the signal's reason. */
export async function cancellable<T>(
  signal: AbortSignal | undefined,
  work: (token: CancelToken) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const token = new (addon().CancelToken)();
  const cancel = (): void => token.cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    return await orAborted(work(token), signal);
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}

/** A controller of our own that the user's signal aborts too. `unlink` lets go of that signal, which may live long. */
export function follow(signal: AbortSignal | undefined): { controller: AbortController; unlink: () => void } {
  const controller = new AbortController();
  const abort = (): void => controller.abort(signal?.reason);
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  return { controller, unlink: () => signal?.removeEventListener('abort', abort) };
}
