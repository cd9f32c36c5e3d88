// npm run package-check: makes the package, installs it into an empty project with install scripts disabled, and uses it.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { root, run, runModule, script, setup, testPackages } from './setup.mjs';

const largest = 60_000_000;

// Scores a picture that travels with the package, with the encoder that travels with it.
const program = (imports) => `${imports}
const path = require('node:path');
const home = path.dirname(require.resolve('dinomaly-native/package.json'));
async function main() {
  const model = await Dinomaly.create({ image: { resize: 64, crop: 56 }, seed: 1 });
  const { score, map } = await model.score(path.join(home, 'demo/brick/test/good/000.jpg'));
  await model.dispose();
  if (!Number.isFinite(score) || map.data.length !== 256 * 256) throw new Error('no score, or no map');
}
main();
`;

const programs = {
  'program.cjs': program(`const { Dinomaly } = require('dinomaly-native');`),
  'program.mjs': program(`import { Dinomaly } from 'dinomaly-native';
import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);`),
};

function output(command, args, cwd) {
  const { error, status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (error || status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
  return stdout;
}

const folder = mkdtempSync(path.join(os.tmpdir(), 'dinomaly-package-'));
const installed = path.join(folder, 'node_modules/dinomaly-native');
let tarball;

const checks = {
  'npm run prebuild': () => run(process.execPath, ['scripts/prebuild.mjs']),
  'npm pack, within the limit': () => {
    const [{ filename, size }] = JSON.parse(output('npm', ['pack', '--json', '--pack-destination', folder], root));
    tarball = path.join(folder, filename);
    console.log(`${filename}: ${(size / 1e6).toFixed(1)} MB`);
    if (size > largest) throw new Error(`expected at most ${largest / 1e6} MB`);
  },
  publint: () => runModule('publint/src/cli.js', ['run', tarball, '--strict']),
  'are the types wrong': () => runModule('@arethetypeswrong/cli/dist/index.js', [tarball]),
  'install with scripts disabled': () => {
    writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n');
    run('npm', ['install', '--ignore-scripts', tarball], { cwd: folder });
  },
  'shared libraries come from the package': () => {
    const lines = output('ldd', [path.join(installed, 'prebuilds/linux-x64/dinomaly-native.node')]).split('\n');
    for (const name of ['libdnnl', 'libgomp', 'libOpenCL']) {
      const line = lines.find((text) => text.includes(name));
      if (!line?.includes(`=> ${installed}`)) throw new Error(`${name} is taken from elsewhere: ${line}`);
    }
  },
  ...Object.fromEntries(
    Object.entries(programs).map(([name, text]) => [
      name,
      () => {
        writeFileSync(path.join(folder, name), text);
        output(process.execPath, [name], folder);
      },
    ]),
  ),
  'npx dinomaly --help': () => {
    const help = output('npx', ['--no-install', 'dinomaly', '--help'], folder);
    for (const verb of ['demo', 'train', 'score', 'evaluate', 'inspect']) {
      if (!help.includes(verb)) throw new Error(`--help does not name ${verb}:\n${help}`);
    }
  },
};

await script(() => {
  setup(testPackages);
  let failed = 0;
  for (const [name, check] of Object.entries(checks)) {
    try {
      check();
      console.log(`ok ${name}`);
    } catch (error) {
      console.log(`not ok ${name}: ${error.message}`);
      failed += 1;
    }
  }
  rmSync(folder, { recursive: true });
  console.log(`Package: ${Object.keys(checks).length - failed} checks passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
});
