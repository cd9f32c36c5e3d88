// What a process that may open no more files finds out of a library.
import { openSync } from 'node:fs';
import { examine } from '../../dist/device/examine.js';
import { surroundings } from '../../dist/device/surroundings.js';

const around = surroundings();
const before = process.listenerCount('exit');
try {
  for (;;) openSync('/dev/null');
} catch {
  // none is left
}
const { report, problem } = await examine({ library: '/library.so', cublasLt: null }, around);
console.log(JSON.stringify({ report, problem, listeners: process.listenerCount('exit') - before }));
