import { inspect } from 'node:util';
// Zod's version 3, which version 4 comes with: that one brings its messages in every language, and takes more time and
// memory to load than the rest of this package.
import { z } from 'zod/v3';
import { DinomalyError, type ErrorCode } from './errors';

/** A value that `check` accepts; `expected` completes "expected ...". */
function kind<T>(expected: string, check: (value: unknown) => boolean): z.ZodType<T> {
  return z.custom<T>(check, expected);
}

/** A finite number; `expected` says which ones `check` accepts. */
export function number(expected: string, check: (value: number) => boolean): z.ZodType<number> {
  return kind(expected, (value) => typeof value === 'number' && Number.isFinite(value) && check(value));
}

/** A whole number from `min` to `max`. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER): z.ZodType<number> {
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  return number(`a whole number ${range}`, (value) => Number.isSafeInteger(value) && value >= min && value <= max);
}

/** One of these strings. */
export function oneOf<T extends string>(...values: T[]): z.ZodType<T> {
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

export function callback<T extends (...args: never[]) => void>(): z.ZodType<T> {
  return kind('a function', (value) => typeof value === 'function');
}

/** A list of `item`s, not empty. */
export function list<T>(item: z.ZodType<T>): z.ZodType<T[]> {
  return z.array(item, { message: 'an array' }).min(1, { message: 'an array that is not empty' });
}

/** An object of these fields and no others. */
export function fields<S extends z.ZodRawShape>(shape: S): z.ZodObject<S, 'strict'> {
  return z.strictObject(shape, {
    errorMap: ({ code }) => ({
      message: `${code === 'unrecognized_keys' ? 'only' : 'an object with'} the fields ${Object.keys(shape).join(', ')}`,
    }),
  });
}

/**
 * The value as the schema has it, defaults filled in.
 *
 * @param what stands before the field's name in the message, such as `train`
 * @throws ERR_INVALID_ARGUMENT (or `code`) naming the first field that is wrong, what was expected and what was found
 */
export function parse<T>(
  schema: z.ZodType<T, z.ZodTypeDef, unknown>,
  value: unknown,
  what: string,
  code?: ErrorCode,
): T {
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
