// npm run lint checks how everything is written; npm run format (--fix) mends what can be mended by itself.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { root, run, runModule, script, setup, testPackages } from './setup.mjs';

const fix = process.argv.includes('--fix');
const nativeSources = () =>
  readdirSync(path.join(root, 'native'), { recursive: true })
    .filter((name) => /\.(h|cpp|cu)$/.test(name))
    .map((name) => path.join('native', name));

const checks = {
  prettier: () => runModule('prettier/bin/prettier.cjs', [fix ? '--write' : '--check', '--log-level', 'warn', '.']),
  eslint: () => runModule('eslint/bin/eslint.js', ['--max-warnings', '0', ...(fix ? ['--fix'] : []), '.']),
  'clang-format': () => run('clang-format', [...(fix ? ['-i'] : ['--dry-run', '-Werror']), ...nativeSources()]),
  typescript: () => runModule('typescript/bin/tsc', ['-p', 'test/tsconfig.json']),
};

await script(() => {
  setup(testPackages);
  const failed = Object.entries(checks).filter(([name, check]) => {
    try {
      check();
      return false;
    } catch (error) {
      console.error(`${name}: ${error.message}`);
      return true;
    }
  });
  console.log(`Lint: ${Object.keys(checks).length - failed.length} checks passed, ${failed.length} failed`);
  if (failed.length > 0) process.exitCode = 1;
});
