// The machine's line.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';

/** The best of the processor's instructions that products are made of. */
export function isaOf(cpuinfo) {
  const [, flags = ''] = /^flags\s*:(.*)$/m.exec(cpuinfo) ?? [];
  const has = new Set(flags.trim().split(/\s+/));
  const known = {
    amx_int8: 'AMX',
    avx512_vnni: 'AVX-512-VNNI',
    avx512f: 'AVX-512',
    avx_vnni: 'AVX-VNNI',
    avx2: 'AVX2',
  };
  return Object.entries(known).find(([flag]) => has.has(flag))?.[1] ?? 'none';
}

/** @param versions of the sides that were measured */
export function machineOf(versions) {
  const { oneDNN } = createRequire(import.meta.url)('../../dist/addon.js')
    .addon()
    .info();
  return {
    cpu: os.cpus()[0].model.trim(),
    isa: isaOf(readFileSync('/proc/cpuinfo', 'utf8')),
    cores: os.availableParallelism(),
    memoryGB: Math.round(os.totalmem() / 1e9),
    versions: { node: process.versions.node, oneDNN, ...versions },
  };
}

export function machineLine({ cpu, isa, cores, memoryGB, versions }) {
  const list = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `${cpu}, ${isa}, ${cores} cores, ${memoryGB} GB; ${list.join(', ')}`;
}
