// npm run demo: builds what is missing, then runs `dinomaly demo` with the arguments given here.
import path from 'node:path';
import { compileAddon, compileTypeScript } from './compile.mjs';
import { buildPackages, root, run, script, setup } from './setup.mjs';

await script(() => {
  setup(buildPackages);
  compileAddon();
  compileTypeScript();
  const args = [path.join(root, 'dist/cli/main.js'), 'demo', ...process.argv.slice(2)];
  run(process.execPath, args, { stdio: 'inherit' });
});
