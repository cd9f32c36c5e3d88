// A side is a process that answers one JSON line for each that it reads:
//   {"do": "prepare", "work": {...}}  -> {"ready": true, "version": "..."}   loads, compiles, runs once
//   {"do": "run", "calls": 3}         -> {"milliseconds": 41.2}              of all calls together
//                                     or {"value": 243}                      of works that are no times, in their unit
// and {"error": "..."} when it could not.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** A run that does the same again and again. */
export function timed(call) {
  return async (calls) => {
    const start = performance.now();
    for (let i = 0; i < calls; i++) await call();
    return { milliseconds: performance.now() - start };
  };
}

/** The most memory that this process has had, in MB. */
export function peakMegabytes() {
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return (Number(kibibytes) * 1024) / 1e6;
}

/**
 * Answers until standard input ends. `preparers[work.kind](work)` resolves to a function of the number of calls that
 * resolves to an answer.
 */
export async function serve(version, preparers) {
  let run;
  const answer = async (request) => {
    if (request.do === 'run') return run(request.calls);
    run = await preparers[request.work.kind](request.work);
    return { ready: true, version };
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const reply = await answer(JSON.parse(line)).catch((error) => ({ error: error.stack }));
    process.stdout.write(`${JSON.stringify(reply)}\n`);
  }
  process.exit(); // whatever threads a runtime has left
}
