// npm test: lint, the native tests, the native tests under sanitizers, jest, and the package as a stranger installs it.
// Its last line sums up all of them.
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { compileAddon, compileSanitized, compileTarget, compileTypeScript } from './compile.mjs';
import { root, setup, testPackages } from './setup.mjs';

const timeLimit = 30 * 60_000;
const jestReport = path.join(root, 'build/jest.json');

const countChecks = (text) => {
  const [, passed, failed] = /(\d+) checks passed, (\d+) failed/.exec(text) ?? [];
  return { passed: Number(passed), failed: Number(failed) };
};

// A skipped test proves nothing, so it counts as failed.
const countDoctest = (text) => {
  const [, passed, failed, skipped] =
    /test cases:.* (\d+) passed \|\s*(\d+) failed \|\s*(\d+) skipped/.exec(text) ?? [];
  return { passed: Number(passed), failed: Number(failed) + Number(skipped) };
};

const countTable = (text) => {
  const [, passed, failed] = /(\d+) passed, (\d+) failed\s*$/.exec(text) ?? [];
  return { passed: Number(passed), failed: Number(failed) };
};

const countJest = () => {
  const report = JSON.parse(readFileSync(jestReport, 'utf8'));
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, numRuntimeErrorTestSuites } = report;
  return {
    passed: numPassedTests,
    failed: numFailedTests + numPendingTests + numTodoTests + numRuntimeErrorTestSuites,
  };
};

const node = process.execPath;
const sanitizers = { ASAN_OPTIONS: 'detect_leaks=1', UBSAN_OPTIONS: 'print_stacktrace=1' };
const suites = [
  { name: 'lint', command: [node, 'scripts/lint.mjs'], count: countChecks },
  {
    name: 'native',
    prepare: () => compileTarget('dinomaly_tests'),
    command: ['build/Release/dinomaly_tests'],
    count: countDoctest,
  },
  {
    name: 'native under AddressSanitizer and UndefinedBehaviorSanitizer',
    prepare: compileSanitized,
    command: ['build-asan/dinomaly_tests'],
    env: sanitizers,
    count: countDoctest,
  },
  {
    name: 'table of operations',
    prepare: () => compileTarget('dinomaly_table'),
    command: ['build/Release/dinomaly_table', 'test', 'grad'],
    count: countTable,
  },
  {
    name: 'table of operations in int8, as a processor without VNNI computes it',
    prepare: () => compileTarget('dinomaly_table'),
    command: ['build/Release/dinomaly_table', 'test', '--precision', 'int8'],
    env: { ONEDNN_MAX_CPU_ISA: 'AVX2' },
    count: countTable,
  },
  {
    name: 'table of operations under AddressSanitizer and UndefinedBehaviorSanitizer',
    prepare: compileSanitized,
    command: ['build-asan/dinomaly_table', 'test', 'grad'],
    env: sanitizers,
    count: countTable,
  },
  {
    name: 'jest',
    prepare: () => {
      compileAddon();
      compileTypeScript();
      compileTarget('dinomaly_emulated_library');
      rmSync(jestReport, { force: true });
    },
    // In one process: the native code uses all cores by itself.
    command: [node, 'node_modules/jest/bin/jest.js', '--runInBand', '--json', '--outputFile', jestReport],
    count: countJest,
  },
  { name: 'package', command: [node, 'scripts/package-check.mjs'], count: countChecks },
];

/** Runs a command, shows what it prints and returns it, with whether it ended well. */
async function capture([command, ...args], env) {
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: timeLimit,
    killSignal: 'SIGKILL',
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part) => {
    process.stdout.write(part);
    text += part;
  });
  const ok = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code === 0));
  });
  return { text, ok };
}

async function runSuite({ prepare, command, env, count }) {
  try {
    prepare?.();
    const { text, ok } = await capture(command, env);
    const { passed, failed } = count(text);
    if (!(passed + failed > 0)) throw new Error('No test was counted.');
    // A crash or a leak after the last test fails too.
    return { passed, failed: ok ? failed : Math.max(failed, 1) };
  } catch (error) {
    console.error(error.message);
    return { passed: 0, failed: 1 };
  }
}

const total = { passed: 0, failed: 0 };
const summary = [];
try {
  setup(testPackages);
  for (const suite of suites) {
    console.log(`\n== ${suite.name}`);
    const started = performance.now();
    const { passed, failed } = await runSuite(suite);
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    summary.push(`${suite.name}: ${passed} passed and ${failed} failed in ${seconds} s`);
    total.passed += passed;
    total.failed += failed;
  }
} catch (error) {
  console.error(error.message);
  total.failed += 1;
}
console.log(`\n${summary.join('\n')}\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 ? 0 : 1;
