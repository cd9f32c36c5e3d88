// npm run package-check: makes the package, installs it into an empty project with install scripts disabled, and uses it.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { root, run, runModule, script, setup, testPackages } from './setup.mjs';

const largest = { rest: 60_000_000, cudaLibrary: 10_000_000 };

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

function output(command, args, cwd, env = process.env) {
  const { error, status, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  if (error || status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
  return stdout;
}

const folder = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'dinomaly-package-')));
const installed = path.join(folder, 'node_modules/dinomaly-native');
const cudaLibraries = readdirSync(path.join(root, 'prebuilds')).filter((name) => /^dinomaly-cuda\d+\.so$/.test(name));
const inPrebuilds = (home, names) => names.map((name) => path.join(home, 'prebuilds', name));
let tarball;

/** What the installed command says of this machine, with a library of CUDA kernels named or with those it finds. */
function inspect(library = '') {
  const names = { DINOMALY_CUDA_LIBRARY: library, DINOMALY_CUBLASLT: '', XDG_CACHE_HOME: path.join(folder, 'cache') };
  return JSON.parse(
    output('npx', ['--no-install', 'dinomaly', 'inspect', '--json'], folder, { ...process.env, ...names }),
  );
}

function expect(met, expected, found) {
  if (!met) throw new Error(`expected ${expected}, found ${found}`);
}

function expectSame(found, expected, what) {
  const list = (names) => [...names].sort().join(', ') || 'none';
  expect(list(found) === list(expected), `${what} to be ${list(expected)}`, list(found));
}

const checks = {
  'npm run prebuild': () => run(process.execPath, ['scripts/prebuild.mjs']),
  'npm pack, within the limit': () => {
    const [{ filename, size, files }] = JSON.parse(
      output('npm', ['pack', '--json', '--pack-destination', folder], root),
    );
    tarball = path.join(folder, filename);
    console.log(`${filename}: ${(size / 1e6).toFixed(1)} MB, CUDA libraries: ${cudaLibraries.join(', ') || 'none'}`);
    const most = largest.rest + cudaLibraries.length * largest.cudaLibrary;
    expect(size <= most, `at most ${most / 1e6} MB`, size);
    const packed = files.map((file) => file.path).filter((name) => /^prebuilds\/[^/]*cuda/.test(name));
    const expected = cudaLibraries.flatMap((name) => [name, name.replace(/so$/, 'license.txt')]);
    expectSame(packed, inPrebuilds('', expected), 'the files of CUDA');
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
  'npx dinomaly inspect, with what the package has of CUDA': () => {
    const { addon, device, gpus, cuda } = inspect();
    expect(addon.startsWith(installed), 'the addon of the installed package', addon);
    if (gpus.length === 0) expect(device === 'cpu', 'device cpu without a GPU', device);
    const found = cuda.looked.filter(({ place }) => place === 'this package').flatMap((look) => look.found);
    const expected = inPrebuilds(installed, cudaLibraries);
    expectSame(found, expected, "the installed package's libraries");
    const silent = expected.filter((file) => !cuda.candidates.some((pair) => pair.library === file && pair.report));
    expect(silent.length === 0, 'a report from each library', cuda.text);
  },
  'a process of its own that opens a library': () => {
    // One that is surely there; the refusal can come from nobody else.
    const { cuda } = inspect(path.join(installed, 'prebuilds/linux-x64/libdnnl.so.2'));
    expect(cuda.text.includes('found no symbol dinomalyDeviceLibrary'), 'libdnnl to be refused', cuda.text);
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
