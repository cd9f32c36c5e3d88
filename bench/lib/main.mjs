// The benchmark's command line.
import { Command, InvalidArgumentError } from 'commander';
import { chosen } from './choose.mjs';
import { jpegs, writeFiles } from './files.mjs';
import { build, buildProfiler, installPeers, made } from './install.mjs';
import { machineLine, machineOf } from './machine.mjs';
import { measure } from './measure.mjs';
import { writePlots } from './plots.mjs';
import { profile, profileText } from './profile.mjs';
import { rowsOf, scoringRatio } from './rows.mjs';
import { table } from './table.mjs';
import { allWorks, demo } from './works.mjs';

function positive(text) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('Expected a whole number above 0.');
  return value;
}

const program = () =>
  new Command('npm run bench --')
    .description(
      'Measures this package against its peers on this machine; everything in less than 45 minutes of two cores.',
    )
    .option('--json', 'print one JSON object instead of text', false)
    .option('--rounds <n>', 'how often each side is measured (default: 3 to 5 times, as there is time)', positive)
    .option('--only <glob>', "works to measure, such as 'score/S14/280/**'", '**')
    .option('--profile', 'print where each millisecond of scoring goes instead', false)
    .option('--plots', 'write cost against work into bench/results instead', false)
    .option('--demo', 'also measure the demo: 200 iterations, minutes', false)
    .addHelpText('after', '\nFor JSON alone on stdout let npm be silent: npm run --silent bench -- --json');

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
  console.log(`${machineLine(machine)}\n\n${table(rows)}\n\nspread: interquartile range over median`);
  const ratio = scoringRatio(rows);
  if (ratio !== undefined)
    console.log(`scoring in f32, all rows: ${ratio.toFixed(3)} x the best peer (geometric mean)`);
}

function printProfiles(works, json) {
  buildProfiler();
  const profiles = works.filter(({ kind }) => kind === 'score').map(profile);
  if (json) console.log(JSON.stringify({ machine: machineOf({}), profiles }));
  else console.log([machineLine(machineOf({})), ...profiles.map(profileText)].join('\n\n'));
}

export async function main(argv) {
  const options = program().parse(argv).opts();
  const all = [...allWorks(made, jpegs), ...(options.demo ? [demo(made)] : [])];
  const works = chosen(all, options.only);
  build();
  if (options.profile) return printProfiles(works, options.json);
  if (options.plots) return writePlots();
  installPeers();
  const results = await measureAll(works, options.rounds);
  if (options.json) console.log(JSON.stringify(results));
  else print(results);
}
