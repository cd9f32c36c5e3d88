import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';

export const root = path.join(__dirname, '..', '..');

/** The command line as it is installed. */
const program = path.join(root, 'dist/cli/main.js');

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Starts `dinomaly` with these arguments and the environment as tests set it, as from a script: no terminal. */
export function start(args: string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [program, ...args], { env: process.env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { child, ended };
}

/** Runs `dinomaly` to its end. */
export function dinomaly(...args: string[]): Promise<Ended> {
  return start(args).ended;
}

/** Runs `dinomaly ... --json`: it must end well, and stdout must be one line that is one JSON object. */
export async function json(...args: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await dinomaly(...args, '--json');
  if (code !== 0) throw new Error(`exit code ${code}: ${stderr}`);
  expect(stdout).toMatch(/^\{.*\}\n$/);
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** Arguments that make a network which trains in milliseconds on one class of the demo set. */
export const tiny = [
  ...['--encoder', '{"dim":32,"heads":1,"depth":4,"grid":4,"targets":[0,1,2,3]}'],
  ...['--resize', '32', '--crop', '28', '--batch-size', '4', '--warmup', '2', '--class', 'brick'],
];
