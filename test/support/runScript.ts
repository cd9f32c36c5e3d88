import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

interface Run {
  /** Node's. */
  flags?: string[];
  /** The script's. */
  args?: string[];
}

/** Runs a script of this folder against the built package; what it prints, as JSON. */
export async function runScript(name: string, { flags = [], args = [] }: Run = {}): Promise<unknown> {
  const command = [...flags, path.join(__dirname, name), ...args];
  // The environment as tests set it, which is not that of Node's own modules.
  const options = { timeout: 100_000, env: process.env };
  const { stdout } = await promisify(execFile)(process.execPath, command, options);
  return JSON.parse(stdout);
}
