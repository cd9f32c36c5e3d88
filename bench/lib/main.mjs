// The benchmark's command line.
import { Command, InvalidArgumentError } from 'commander';
import picomatch from 'picomatch';
import { jpegs, writeFiles } from './files.mjs';
import { install, made } from './install.mjs';
import { machineLine, machineOf } from './machine.mjs';
import { measure } from './measure.mjs';
import { rowsOf, scoringRatio } from './rows.mjs';
import { table } from './table.mjs';
import { allWorks } from './works.mjs';

function positive(text) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('Expected a whole number above 0.');
  return value;
}

const program = () =>
  new Command('npm run bench --')
    .description('Measures this package against its peers on this machine.')
    .option('--json', 'print one JSON object instead of a table', false)
    .option('--rounds <n>', 'how often each side is measured', positive, 3)
    .option('--only <glob>', "works to measure, such as 'score/S14/280/**'", '**')
    .option('--demo', 'also measure the demo: 200 iterations, minutes', false);

/** Those works whose names match. */
export function chosen(works, glob) {
  const matches = picomatch(glob);
  const found = works.filter(({ name }) => matches(name));
  if (found.length > 0) return found;
  throw new Error(`--only ${glob}: expected a glob that matches a work, such as ${works[0].name}; found none that does.`);
}

async function measureAll(works, rounds) {
  const rows = [];
  const versions = {};
  for (const [i, work] of works.entries()) {
    const start = performance.now();
    await writeFiles(work);
    rows.push(...rowsOf(work, await measure(work, rounds, versions)));
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    console.error(`${i + 1}/${works.length} ${work.name}: ${seconds} s`);
  }
  return { machine: machineOf(versions), rows };
}

function print({ machine, rows }) {
  console.log(`${machineLine(machine)}\n\n${table(rows)}`);
  const ratio = scoringRatio(rows);
  if (ratio !== undefined) console.log(`\nscoring in f32, all rows: ${ratio.toFixed(3)} x the best peer (geometric mean)`);
}

export async function main(argv) {
  const { json, rounds, only } = program().parse(argv).opts();
  const works = chosen(allWorks(made, jpegs), only);
  install();
  const results = await measureAll(works, rounds);
  if (json) process.stdout.write(`${JSON.stringify(results)}\n`);
  else print(results);
}
