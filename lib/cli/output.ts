import { mkdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { DinomalyError } from '../index';

export function addJsonOption(command: Command): Command {
  return command.option('--json', 'print one JSON object instead of text', false);
}

/** Prints a command's result, the only thing that goes to stdout: one JSON object (NaN as null), or text. */
export function printResult(json: boolean, result: object, text: () => string): void {
  process.stdout.write(`${json ? JSON.stringify(result) : text()}\n`);
}

/** Writes a file, its folder made if need be. @throws ERR_IO */
export async function saveFile(file: string, content: string | Uint8Array): Promise<void> {
  await prepareFolderOf(file);
  await orIoError(file, () => writeFile(file, content));
}

/** Makes sure, before hours of work, that a file can be written at the end of them. @throws ERR_IO */
export async function prepareFolderOf(file: string): Promise<void> {
  await orIoError(file, () => mkdir(path.dirname(file), { recursive: true }));
  const found = await stat(file).catch(() => undefined);
  if (found?.isDirectory()) throw new DinomalyError('ERR_IO', `${file}: expected a file's path, found a folder.`);
}

async function orIoError(file: string, write: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (cause) {
    throw new DinomalyError('ERR_IO', `${file} could not be written: ${(cause as Error).message}.`, { cause });
  }
}
