import { DinomalyError } from '../errors';

/** The error for a file whose bytes are not what its format promises. `found` continues the sentence "<path>: ...". */
export function formatError(path: string, found: string, cause?: unknown): DinomalyError {
  return new DinomalyError('ERR_FILE_FORMAT', `${path}: ${found}`, cause === undefined ? undefined : { cause });
}

/** A name from an untrusted file as a message can carry it: escaped and not longer than a line. */
export function quote(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}...` : name);
}
