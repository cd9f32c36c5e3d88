import os from 'node:os';
import path from 'node:path';

/** All that the search for a CUDA library depends on; tests have their own. */
export interface Surroundings {
  env: NodeJS.ProcessEnv;
  home: string;
  /** Stands before the system's paths (/usr, /proc, /etc). */
  system: string;
  /** Folder of this package. */
  packageFolder: string;
  /** Milliseconds that the test of one library may take. */
  timeLimit: number;
}

export const packageFolder = path.join(__dirname, '..', '..');

/** Those of this process. */
export function surroundings(): Surroundings {
  return {
    env: process.env,
    home: os.homedir(),
    system: '/',
    packageFolder,
    timeLimit: 30_000, // a driver that was unloaded takes seconds to start
  };
}
