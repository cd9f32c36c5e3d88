// Compiles the addon (cmake-js, into build/Release) and TypeScript (into dist). What has not changed is left alone.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { root, run, runModule } from './setup.mjs';

export const jobs = String(os.availableParallelism());

function filesIn(name) {
  const top = path.join(root, name);
  if (statSync(top).isFile()) return [top];
  return readdirSync(top, { recursive: true })
    .map((entry) => path.join(top, entry))
    .filter((file) => statSync(file).isFile());
}

/** Calls `compile` unless `output` was made from inputs with the same bytes; the stamp beside it remembers them. */
function whenChanged(output, inputs, compile) {
  const stamp = path.join(path.dirname(output), '.inputs.sha256');
  const hash = createHash('sha256');
  for (const file of inputs.flatMap(filesIn).sort()) hash.update(`${file}\0`).update(readFileSync(file));
  const digest = hash.digest('hex');
  if (existsSync(output) && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  rmSync(stamp, { force: true });
  compile();
  writeFileSync(stamp, digest);
}

/** Builds one target of CMakeLists.txt in the tree that cmake-js configures. */
export function compileTarget(target) {
  // An --out that ends in the configuration's name makes cmake-js put the addon there, where node-gyp-build looks.
  const cmakeJs = (...args) =>
    runModule('cmake-js/bin/cmake-js', [...args, '--out', 'build/Release', '--log-level', 'warn']);
  cmakeJs('configure', '--CDDINOMALY_TESTS=ON');
  cmakeJs('build', '--target', target, '--parallel', jobs);
}

export function compileAddon() {
  const inputs = ['CMakeLists.txt', 'package-lock.json', 'native'];
  whenChanged(path.join(root, 'build/Release/dinomaly.node'), inputs, () => compileTarget('dinomaly'));
}

/** The native tests with AddressSanitizer and UndefinedBehaviorSanitizer, in a tree of their own, without Node. */
export function compileSanitized() {
  const options = ['-DCMAKE_BUILD_TYPE=RelWithDebInfo', '-DDINOMALY_SANITIZE=ON', '-DDINOMALY_TESTS=ON'];
  run('cmake', ['-S', '.', '-B', 'build-asan', ...options]);
  run('cmake', ['--build', 'build-asan', '--parallel', jobs]);
}

/** ESM re-exports the CommonJS build, so that both kinds of import share one set of classes and one addon. */
function writeEsmEntry(dist) {
  const names = Object.keys(createRequire(import.meta.url)(path.join(dist, 'index.js')));
  const list = names.map((name) => `  ${name},\n`).join('');
  writeFileSync(path.join(dist, 'index.mjs'), `import cjs from './index.js';\n\nexport const {\n${list}} = cjs;\n`);
  writeFileSync(path.join(dist, 'index.d.mts'), `export * from './index.js';\n`);
}

export function compileTypeScript() {
  const dist = path.join(root, 'dist');
  const inputs = ['lib', 'tsconfig.json', 'package-lock.json', 'scripts/compile.mjs'];
  whenChanged(path.join(dist, 'index.d.mts'), inputs, () => {
    rmSync(dist, { recursive: true, force: true });
    runModule('typescript/bin/tsc', ['-p', 'tsconfig.json']);
    writeEsmEntry(dist);
  });
}
