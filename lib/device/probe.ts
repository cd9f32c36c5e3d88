// Run as a process of its own: tells, as JSON on the third pipe, what a library finds on this machine. Whatever the library
// does meanwhile (crash, hang, print) is then no harm to anyone.
import { writeSync } from 'node:fs';
import { addon } from '../addon';
import { marker } from './surroundings';

const [library = '', cublasLt = null] = process.argv.slice(2);

addon().endWithParent();
if (process.ppid !== Number(process.env[marker])) process.exit(); // it ended before

function answer(): object {
  try {
    return { report: addon().deviceReport(library, cublasLt), problem: '' };
  } catch (error) {
    return { report: null, problem: (error as Error).message };
  }
}

writeSync(3, JSON.stringify(answer()));
