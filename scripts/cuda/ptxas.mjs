// What `nvcc -Xptxas -v` says of each function: registers, shared memory, stack and spills.
import { output } from '../setup.mjs';

const number = (text, pattern) => Number(pattern.exec(text)?.[1] ?? 0);

/**
 * One entry for each kernel and architecture, and for each function that was not inlined: `{ symbol, architecture, kernel,
 * registers, sharedBytes, stackBytes, spillStoreBytes, spillLoadBytes }`, sizes in bytes. Shared memory is the static kind.
 */
export function parsePtxas(text) {
  const entries = [];
  let architecture;
  let kernel; // whose compilation is being told; `Used` ends it
  let current; // whose properties are being told
  for (const line of text.split('\n')) {
    const [, compiled, target] = /Compiling entry function '([^']+)' for '([^']+)'/.exec(line) ?? [];
    const [, described] = /Function properties for (\S+)/.exec(line) ?? [];
    if (compiled !== undefined) {
      architecture = target;
      kernel = { symbol: compiled, architecture, kernel: true, registers: 0, sharedBytes: 0 };
      Object.assign(kernel, { stackBytes: 0, spillStoreBytes: 0, spillLoadBytes: 0 });
      entries.push(kernel);
      current = kernel;
    } else if (described !== undefined) {
      current = described === kernel?.symbol ? kernel : { symbol: described, architecture, kernel: false };
      if (current !== kernel) entries.push(current);
    } else if (line.includes('bytes stack frame') && current) {
      current.stackBytes = number(line, /(\d+) bytes stack frame/);
      current.spillStoreBytes = number(line, /(\d+) bytes spill stores/);
      current.spillLoadBytes = number(line, /(\d+) bytes spill loads/);
    } else if (/\bUsed \d+ registers/.test(line) && kernel) {
      kernel.registers = number(line, /Used (\d+) registers/);
      kernel.sharedBytes = number(line, /(\d+) bytes smem/);
    }
  }
  return entries;
}

/** Those that touch memory which belongs in registers. */
export const spilling = (entries) =>
  entries.filter((entry) => entry.stackBytes + entry.spillStoreBytes + entry.spillLoadBytes > 0);

/** Names as in the sources, without this package's own namespaces: `layerNormKernel<float>`. */
export function namesOf(symbols) {
  if (symbols.length === 0) return [];
  const names = output('c++filt', ['--no-params'], { input: `${symbols.join('\n')}\n`, maxBuffer: 2 ** 26 });
  return names
    .trimEnd()
    .split('\n')
    .map((name) => name.replaceAll('dinomaly::cuda::', '').replaceAll('(anonymous namespace)::', ''));
}
