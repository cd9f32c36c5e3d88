// npm run build: the addon in build/Release and the package's JavaScript in dist.
import { compileAddon, compileTypeScript } from './compile.mjs';
import { buildPackages, script, setup } from './setup.mjs';

await script(() => {
  setup(buildPackages);
  compileAddon();
  compileTypeScript();
});
