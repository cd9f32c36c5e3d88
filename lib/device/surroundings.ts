import os from 'node:os';
import path from 'node:path';

/** All that the search for a CUDA library depends on; tests have their own. */
export interface Surroundings {
  env: NodeJS.ProcessEnv;
  /** Undefined: the user has none. */
  home: string | undefined;
  /** Stands before the system's paths (/usr, /proc, /etc). */
  system: string;
  /** Folder of this package. */
  packageFolder: string;
  /** Milliseconds that the test of one library may take. */
  timeLimit: number;
}

/** In the environment of the test of a library: the id of the process that started it. */
export const marker = 'DINOMALY_TEST_OF';

export const packageFolder = path.join(__dirname, '..', '..');

/** Those of this process. */
export function surroundings(): Surroundings {
  return {
    env: process.env,
    home: homeFolder(),
    system: '/',
    packageFolder,
    timeLimit: 30_000, // a driver that was unloaded takes seconds to start
  };
}

/** Containers may run as a user that no file knows, and without HOME. */
function homeFolder(): string | undefined {
  try {
    return os.homedir() || undefined;
  } catch {
    return undefined;
  }
}
