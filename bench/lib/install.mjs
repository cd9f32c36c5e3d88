// What a fresh clone lacks for the benchmark: the package itself, built; peers of npm and of PyPI; the roof's program.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { compileAddon, compileTarget, compileTypeScript } from '../../scripts/compile.mjs';
import { root, run } from '../../scripts/setup.mjs';

/** Everything that the benchmark makes and does not keep; git ignores it. */
export const made = path.join(root, 'build-bench');
const venv = path.join(made, 'venv');
export const venvPython = path.join(venv, 'bin/python');
export const roofProgram = path.join(root, 'build/Release/dinomaly_roof');
export const profileProgram = path.join(root, 'build/Release/dinomaly_profile');
const bench = path.join(root, 'bench');

/** Calls `install` unless it was done with the same file before; the stamp remembers that. */
function whenChanged(file, stamp, install) {
  const digest = createHash('sha256').update(readFileSync(file)).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  install();
  writeFileSync(stamp, digest);
}

function installNpmPeers() {
  const stamp = path.join(bench, 'node_modules/.lock.sha256');
  whenChanged(path.join(bench, 'package-lock.json'), stamp, () => {
    console.error('Installing what the benchmark needs from npm');
    run('npm', ['ci', '--ignore-scripts'], { cwd: bench });
  });
}

function installPythonPeers() {
  const requirements = path.join(bench, 'requirements.txt');
  whenChanged(requirements, path.join(made, 'requirements.sha256'), () => {
    console.error("Installing PyTorch, OpenVINO and the metrics' reference into build-bench/venv, 6 GB");
    rmSync(venv, { recursive: true, force: true });
    run('python3', ['-m', 'venv', venv]);
    run(venvPython, ['-m', 'pip', 'install', '--quiet', '--no-cache-dir', '--requirement', requirements]);
  });
}

/** Builds the package itself. */
export function build() {
  mkdirSync(made, { recursive: true });
  compileAddon();
  compileTypeScript();
}

export const buildProfiler = () => compileTarget('dinomaly_profile');

/** Installs and builds what is measured beside it. A peer that cannot be had is an error. */
export function installPeers() {
  compileTarget('dinomaly_roof');
  installNpmPeers();
  installPythonPeers();
}
