// CUDA from PyPI's wheels. Which index they come from is pip's own configuration.
import { rmSync } from 'node:fs';
import path from 'node:path';
import { run } from '../setup.mjs';

/** Unpacks `wheels` into `folder`, less what is `leftOut`: libraries that are found at run time. */
export function unpackWheels(folder, { wheels, leftOut }) {
  const options = ['--target', folder, '--no-deps', '--only-binary', ':all:', '--no-compile', '--no-cache-dir'];
  run('python3', [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--root-user-action',
    'ignore',
    ...options,
    ...wheels,
  ]);
  for (const name of leftOut) rmSync(path.join(folder, name), { force: true });
}
