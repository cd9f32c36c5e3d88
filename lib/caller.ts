import { types } from 'node:util';
import { DinomalyError, errorCodes, type ErrorCode } from './errors';

/**
 * Runs a public method. Errors of the native addon become {@link DinomalyError}s, whose stack shows who called the
 * method (a promise rejected from another thread knows no caller); what a callback of the user threw stays as it is.
 */
export async function called<T>(run: () => Promise<T>): Promise<T> {
  const caller: { stack?: string } = {};
  Error.captureStackTrace(caller, called);
  try {
    return await run();
  } catch (error) {
    const failure = asDinomalyError(error);
    if (failure instanceof DinomalyError) {
      const frames = caller.stack?.slice(caller.stack.indexOf('\n')) ?? '';
      failure.stack = `${failure.name}: ${failure.message}${frames}`;
    }
    throw failure;
  }
}

function asDinomalyError(error: unknown): unknown {
  if (error instanceof DinomalyError || !types.isNativeError(error)) return error;
  const code = (error as NodeJS.ErrnoException).code;
  return code !== undefined && code in errorCodes
    ? new DinomalyError(code as ErrorCode, error.message, { cause: error })
    : error;
}
