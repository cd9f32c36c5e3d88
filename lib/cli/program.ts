import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Command } from 'commander';
import { addDemo } from './demo';
import { addEvaluate } from './evaluate';
import { addExport } from './export';
import { addInspect } from './inspect';
import { addScore } from './score';
import { addTrain } from './train';

const notes = `
Results go to stdout, everything else to stderr. With --json, stdout is one JSON object.
Exit codes: 0 done, 1 error (its code and message on stderr; with DEBUG=1 its stack too), 2 wrong usage, 130 interrupted.`;

/** The whole command line. @param signal stops what a command is doing */
export function makeProgram(signal: AbortSignal): Command {
  const program = new Command('dinomaly')
    .description('Finds what is abnormal in pictures: trains, scores and evaluates Dinomaly models.')
    .version(version())
    .exitOverride()
    .showHelpAfterError('(--help tells what there is)')
    .addHelpText('after', notes);
  for (const add of [addDemo, addTrain, addScore, addEvaluate, addExport, addInspect]) add(program, signal);
  return program;
}

function version(): string {
  const file = path.join(__dirname, '..', '..', 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
