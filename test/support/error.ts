import { DinomalyError, type ErrorCode } from '../../lib/errors';

/** The error with which a promise rejects; fails the test if it is none of this package, or of another code. */
export async function rejection(promise: Promise<unknown>, code: ErrorCode): Promise<DinomalyError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DinomalyError);
  expect((error as DinomalyError).code).toBe(code);
  return error as DinomalyError;
}
