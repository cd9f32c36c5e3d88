import { inspect } from 'node:util';
import { z } from 'zod';
import { DinomalyError, type ErrorCode } from './errors';

/** A value that `check` accepts; `expected` completes "expected ...". */
function kind<T>(expected: string, check: (value: unknown) => boolean): z.ZodType<T, T> {
  return z.custom<T>(check, { error: expected });
}

/** A finite number; `expected` says which ones `check` accepts. */
export function number(expected: string, check: (value: number) => boolean): z.ZodType<number, number> {
  return kind(expected, (value) => typeof value === 'number' && Number.isFinite(value) && check(value));
}

/** A whole number from `min` to `max`. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER): z.ZodType<number, number> {
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  return number(`a whole number ${range}`, (value) => Number.isSafeInteger(value) && value >= min && value <= max);
}

/** One of these strings. */
export function oneOf<T extends string>(...values: T[]): z.ZodType<T, T> {
  return kind(`one of ${values.map((value) => `'${value}'`).join(', ')}`, (value) => values.includes(value as T));
}

export const boolean = kind<boolean>('true or false', (value) => typeof value === 'boolean');
export const text = kind<string>('a string that is not empty', (value) => typeof value === 'string' && value !== '');
export const falseOrText = kind<string | false>(
  'false or a string that is not empty',
  (value) => value === false || (typeof value === 'string' && value !== ''),
);
export const bytes = kind<Uint8Array>('a Uint8Array', (value) => value instanceof Uint8Array);
export const signal = kind<AbortSignal>('an AbortSignal', (value) => value instanceof AbortSignal);

export function callback<T extends (...args: never[]) => void>(): z.ZodType<T, T> {
  return kind('a function', (value) => typeof value === 'function');
}

/** A list of `item`s, not empty. */
export function list<T>(item: z.ZodType<T, T>): z.ZodType<T[], T[]> {
  return z.array(item, { error: 'an array' }).min(1, { error: 'an array that is not empty' });
}

/** An object of these fields and no others. */
export function fields<S extends z.ZodRawShape>(shape: S): z.ZodObject<S, z.core.$strict> {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `only the fields ${Object.keys(shape).join(', ')}`
        : `an object with the fields ${Object.keys(shape).join(', ')}`,
  });
}

/**
 * The value as the schema has it, defaults filled in.
 *
 * @param what stands before the field's name in the message, such as `train`
 * @throws ERR_INVALID_ARGUMENT (or `code`) naming the first field that is wrong, what was expected and what was found
 */
export function parse<T>(schema: z.ZodType<T>, value: unknown, what: string, code?: ErrorCode): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  let found = value;
  for (const key of issue.path) found = (found as Record<PropertyKey, unknown>)[key];
  if (issue.code === 'unrecognized_keys') found = issue.keys.join(', ');
  throw invalid([what, ...issue.path].join('.'), issue.message, found, code);
}

/** ERR_INVALID_ARGUMENT (or `code`): "<field>: expected <expected>, found <found>." */
export function invalid(
  field: string,
  expected: string,
  found: unknown,
  code: ErrorCode = 'ERR_INVALID_ARGUMENT',
): DinomalyError {
  const shown = inspect(found, { depth: 1, breakLength: Infinity, maxArrayLength: 8, maxStringLength: 100 });
  return new DinomalyError(code, `${field}: expected ${expected}, found ${shown}.`);
}
