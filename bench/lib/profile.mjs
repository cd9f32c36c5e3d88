// --profile: where each millisecond of scoring goes.
import { output } from '../../scripts/setup.mjs';
import { profileProgram } from './install.mjs';

/** So many milliseconds are looked at, or one batch. */
const enough = 3000;

function profileOf(work, batches) {
  const env = { ...process.env, OMP_NUM_THREADS: String(work.threads) };
  return JSON.parse(output(profileProgram, [JSON.stringify(work), String(batches)], { env }));
}

/** `{ work, milliseconds, operations: [{ operation, calls, milliseconds, gflops }] }`, what takes longest first. */
export function profile({ name, work }) {
  const { milliseconds } = profileOf(work, 1);
  const found = profileOf(work, Math.max(1, Math.round(enough / milliseconds)));
  const operations = found.operations.sort((a, b) => b.milliseconds - a.milliseconds);
  const within = operations.reduce((sum, operation) => sum + operation.milliseconds, 0);
  operations.push({ operation: 'between operations', calls: 0, milliseconds: found.milliseconds - within, gflops: 0 });
  return { work: name, milliseconds: found.milliseconds, operations };
}

export function profileText({ work, milliseconds, operations }) {
  const line = (name, calls, time, share, rate) =>
    [name.padEnd(46), calls.padStart(5), time.padStart(10), share.padStart(7), rate.padStart(8)].join(' ').trimEnd();
  return [
    `${work}: ${milliseconds.toFixed(1)} ms a batch`,
    line('operation', 'calls', 'ms', '%', 'GFLOP/s'),
    ...operations.map(({ operation, calls, milliseconds: ms, gflops }) =>
      line(
        operation,
        calls ? String(calls) : '',
        ms.toFixed(2),
        ((100 * ms) / milliseconds).toFixed(1),
        gflops ? gflops.toFixed(1) : '',
      ),
    ),
  ].join('\n');
}
