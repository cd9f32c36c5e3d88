import { CommanderError } from 'commander';
import { DinomalyError } from '../index';
import { makeProgram } from './program';

/**
 * Runs the command line.
 *
 * @returns the exit code: 0, 1 for an error, 2 for wrong usage, 130 when interrupted (128 + SIGINT, as shells have it)
 */
export async function run(args: string[]): Promise<number> {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', ignoreClosedPipe);
  const interrupt = new AbortController();
  const abort = (): void => interrupt.abort();
  // Once: a second Ctrl-C ends the process as it would any other.
  process.once('SIGINT', abort);
  try {
    await makeProgram(interrupt.signal).parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    return report(error, interrupt.signal.aborted);
  } finally {
    process.off('SIGINT', abort);
  }
}

/** Whoever read our output has gone (`dinomaly score ... | head`): no reason to complain, nor to lose what is under way. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

function report(error: unknown, interrupted: boolean): number {
  // Commander has said already what was wrong, or shown the help or version that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (interrupted) {
    console.error('Interrupted.');
    return 130;
  }
  console.error(error instanceof DinomalyError ? `${error.code}: ${error.message}` : String(error));
  if (process.env['DEBUG']) console.error(error);
  return 1;
}
