// npm run bench: installs and builds what is missing, then measures. `npm run bench -- --help` tells the options.
import { buildPackages, script, setup } from '../scripts/setup.mjs';

await script(async () => {
  setup([...buildPackages, 'python3-venv', 'python3-dev']); // torch.compile compiles against Python's headers
  const { main } = await import('./lib/main.mjs');
  await main(process.argv);
});
