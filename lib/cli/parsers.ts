import { InvalidArgumentError } from 'commander';

/** A decimal number; ranges are the API's to check. */
export function toNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('Expected a number.');
  return value;
}

/** Indices into the targets such as `[[0,1],[2,3]]`. */
export function toGroups(text: string): number[][] {
  return toJson(text) as number[][];
}

/** An encoder's name, or its shape as JSON. */
export function toEncoder(text: string): string | object {
  return text.startsWith('{') ? (toJson(text) as object) : text;
}

/** Gathers an option that may be given several times. */
export function toList(text: string, before: string[] = []): string[] {
  return [...before, text];
}

function toJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InvalidArgumentError(`Expected JSON: ${(error as Error).message}.`);
  }
}
