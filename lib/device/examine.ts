import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { z } from 'zod/v3';
import { marker, packageFolder, type Surroundings } from './surroundings';
import { deviceReport } from './reportSchema';
import type { Pair, Tested } from './report';

/** Compiled, also where tests run on the sources: plain Node runs it. */
const probe = path.join(packageFolder, 'dist', 'device', 'probe.js');

const mostBytes = 64 * 1024;
const mostComplaint = 2000;

const answer = z.strictObject({ report: deviceReport.nullable(), problem: z.string() });

/** What became of the child: what it wrote, or why that is of no use. */
type Outcome = { text: string } | { problem: string };

/** Tests a pair in a process of its own. Never rejects: crashes, hangs and nonsense are findings. */
export async function examine(pair: Pair, surroundings: Surroundings): Promise<Tested> {
  // In a program that is one file with Node in it, the child is that program again, and would start its own.
  if (surroundings.env[marker] !== undefined) {
    const problem = `not tested, since this process was started as such a test itself (${marker} is set)`;
    return { ...pair, report: null, problem };
  }
  const outcome = await runProbe(pair, surroundings).catch(notStarted);
  if ('problem' in outcome) return { ...pair, report: null, problem: outcome.problem };
  const parsed = answer.safeParse(parseJson(outcome.text));
  if (!parsed.success) {
    const said = JSON.stringify(outcome.text.slice(0, 80));
    return { ...pair, report: null, problem: `its test gave no report, but ${said}` };
  }
  const { report, problem } = parsed.data;
  return { ...pair, report, problem: problem || (report ? problemOf(report) : 'its test gave no report') };
}

/** What is wrong with a report; empty: nothing. */
function problemOf({ score, problem, toolkit, cublasLt, devices }: z.output<typeof deviceReport>): string {
  if (problem !== '') return problem;
  if (score === 0 || !devices.some(({ usable }) => usable)) return 'it found no GPU that it can compute on';
  const [expected, found] = [Math.floor(toolkit / 1000), Math.floor(cublasLt / 10_000)];
  return expected === found ? '' : `expected cuBLASLt ${expected}, as the library was built for, found ${found}`;
}

function notStarted(error: Error): Outcome {
  return { problem: `its test could not be started: ${error.message}` };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function runProbe({ library, cublasLt }: Pair, { env, timeLimit }: Surroundings): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [probe, library, ...(cublasLt === null ? [] : [cublasLt])], {
      // Nothing that a library prints by itself (stdout) is mistaken for its report.
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      // NODE_OPTIONS may make a process wait for a debugger; in Electron execPath is no plain Node without the other.
      env: { ...env, NODE_OPTIONS: '', ELECTRON_RUN_AS_NODE: '1', [marker]: String(process.pid) },
    });
    // A child that was not started has no id, and a signal to it would reach this process's own group.
    const kill = () => child.pid !== undefined && child.kill('SIGKILL');
    const end = (outcome: Outcome) => {
      process.off('exit', kill);
      clearTimeout(timer);
      kill();
      release(child);
      resolve(outcome);
    };
    child.on('error', (error) => end(notStarted(error)));
    process.once('exit', kill);
    // Not waiting for the end of what was killed: a process that hangs in a driver may never end.
    const timer = setTimeout(() => {
      end({ problem: `its test did not end within ${timeLimit / 1000} s` });
    }, timeLimit);
    const [, , stderr, report] = pipesOf(child);
    if (!stderr || !report) return; // 'error' follows, and says why
    const written = collect(report, mostBytes, () => {
      end({ problem: `its test wrote more than ${mostBytes} bytes` });
    });
    const complaint = collect(stderr, mostComplaint);
    child.on('close', (code, signal) => {
      const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
      const said = complaint().trim();
      end(code === 0 ? { text: written() } : { problem: `its test ended with ${how}${said && `: ${said}`}` });
    });
  });
}

/** None where this process may open no more files. */
function pipesOf(child: ChildProcess): (Readable | null | undefined)[] {
  return (child.stdio as unknown as (Readable | null)[] | undefined) ?? [];
}

/** Collects up to `most` bytes of what comes; the rest is dropped, and `onMore` called once. */
function collect(stream: Readable, most: number, onMore?: () => void): () => string {
  const parts: Buffer[] = [];
  let left = most;
  stream.on('data', (part: Buffer) => {
    parts.push(part.subarray(0, left));
    if (part.length > left) onMore?.();
    left = Math.max(left - part.length, 0);
  });
  stream.on('error', () => {}); // 'close' tells how the child ended
  return () => Buffer.concat(parts).toString();
}

/** Lets this process end without the child. */
function release(child: ChildProcess): void {
  for (const stream of pipesOf(child)) stream?.destroy();
  child.unref();
}
