import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

/** Calls a function of a module, by its path from scripts/, with JSON values, in a process of its own, since those are ES modules. */
export function callScript(module: string, name: string, ...args: unknown[]): unknown {
  const url = pathToFileURL(path.join(__dirname, '../../scripts', module)).href;
  const program = `import { ${name} } from ${JSON.stringify(url)};
let result;
try {
  result = { value: ${name}(...${JSON.stringify(args)}) };
} catch (error) {
  result = { message: error.message };
}
console.log(JSON.stringify(result));`;
  const stdout = execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' });
  const { value, message } = JSON.parse(stdout) as { value?: unknown; message?: string };
  if (message !== undefined) throw new Error(message);
  return value;
}
