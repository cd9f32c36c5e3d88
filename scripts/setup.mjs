// What a fresh clone lacks: Debian packages and node_modules. Plain Node, since nothing else is there yet.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

// libdnnl-dev's CMake files ask for OpenCL, though the package does not.
export const buildPackages = ['g++', 'cmake', 'make', 'libdnnl-dev', 'ocl-icd-opencl-dev', 'nlohmann-json3-dev'];
/** What tests and lint need too. */
export const testPackages = [...buildPackages, 'doctest-dev', 'clang-format', 'python3'];

/** Runs a command; what it prints goes to stderr, so that stdout is left to results. Throws when it fails. */
export function run(command, args, options = {}) {
  const { error, status, signal } = spawnSync(command, args, {
    cwd: root,
    stdio: ['inherit', process.stderr, 'inherit'],
    ...options,
  });
  if (error) throw new Error(`${command} could not be started: ${error.message}`);
  if (status !== 0) {
    const line = [command, ...args].join(' ');
    const shown = line.length > 120 ? `${line.slice(0, 120)}…` : line;
    throw new Error(`${shown} failed (${signal ?? `exit code ${status}`}).`);
  }
}

/** What a command prints on stdout. Throws when it fails, with what it said. */
export function output(command, args, options = {}) {
  const { error, status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', ...options });
  if (error || status !== 0) throw new Error(`${[command, ...args].join(' ')} failed: ${error?.message ?? stderr}`);
  return stdout;
}

/** Runs a program that lies in node_modules, with the Node that runs this one. */
export function runModule(file, args, options) {
  run(process.execPath, [path.join(root, 'node_modules', file), ...args], options);
}

/** A script's body: a failure ends in one clear line instead of a stack. */
export async function script(body) {
  try {
    await body();
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}

function missingPackages(packages) {
  const query = spawnSync('dpkg-query', ['-W', '-f', '${Package} ${db:Status-Status}\n', ...packages], {
    encoding: 'utf8',
  });
  if (query.error) {
    console.error(`This is not Debian: what these packages hold must be there already: ${packages.join(' ')}`);
    return [];
  }
  const installed = new Set(query.stdout.split('\n').filter((line) => line.endsWith(' installed')));
  return packages.filter((name) => !installed.has(`${name} installed`));
}

function ensureSystem(packages) {
  const missing = missingPackages(packages);
  if (missing.length === 0) return;
  console.error(`Installing Debian packages: ${missing.join(' ')}`);
  const sudo = process.getuid() === 0 ? [] : ['sudo'];
  const aptGet = (...args) => {
    const [command, ...rest] = [...sudo, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...args];
    run(command, rest);
  };
  try {
    aptGet('update');
    aptGet('install', '--yes', '--no-install-recommends', ...missing);
  } catch (cause) {
    throw new Error(
      `Debian packages are missing and could not be installed${sudo.length > 0 ? ' (not root, so sudo was tried)' : ''}: ` +
        `${cause.message} By hand, as root: apt-get update && apt-get install ${missing.join(' ')}`,
      { cause },
    );
  }
}

function modulesMatchLock() {
  const installedLock = path.join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedLock)) return false;
  const packagesOf = (file) => JSON.parse(readFileSync(file, 'utf8')).packages;
  const installed = packagesOf(installedLock);
  // Optional packages are those of other platforms; they change with the package that wants them.
  return Object.entries(packagesOf(path.join(root, 'package-lock.json'))).every(
    ([name, { version, optional }]) => name === '' || optional || installed[name]?.version === version,
  );
}

/** Installs what is missing of the given Debian packages and of node_modules. */
export function setup(packages) {
  ensureSystem(packages);
  if (!modulesMatchLock()) run('npm', ['ci', '--include=dev']);
}
