// --plots: cost against work, into bench/results.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../../scripts/setup.mjs';
import { Side } from './side.mjs';
import { plot } from './svg.mjs';
import { networks } from './works.mjs';

const S14 = { network: networks.S14, size: 224, threads: 2, precision: 'f32' };
/** So small that 10,000 pictures take seconds. */
const tiny = { network: { encoder: { dim: 64, heads: 2, depth: 8, targets: [0, 1, 2, 3, 4, 5, 6, 7] } }, size: 112 };

const plots = [
  {
    file: 'scoring.svg',
    kind: 'cost-scoring',
    work: { ...S14, counts: [10, 20, 40, 80, 120, 160] },
    title: 'Time of scoring',
    subtitle: 'S/14, 224 pixels, f32, two threads; dashed: straight through the last point',
    x: 'pictures',
    y: 'seconds',
    straight: true,
  },
  {
    file: 'training.svg',
    kind: 'cost-training',
    work: { ...S14, batch: 4, counts: [5, 10, 20, 30, 40] },
    title: 'Time of training',
    subtitle: 'S/14, 224 pixels, f32, batches of 4, two threads; dashed: straight through the last point',
    x: 'iterations',
    y: 'seconds',
    straight: true,
  },
  {
    file: 'memory.svg',
    kind: 'cost-memory',
    work: { ...tiny, threads: 2, precision: 'f32', pictures: 10_000, every: 500, batch: 10 },
    title: 'Resident memory while scoring',
    subtitle: 'of the process; a small network (64 channels, 8 blocks), 112 pixels, two threads',
    x: 'pictures scored',
    y: 'MB',
    straight: false,
  },
];

export async function writePlots() {
  for (const { file, kind, work, ...text } of plots) {
    const side = new Side('dinomaly-native', work.threads);
    try {
      await side.prepare(kind, work);
      const { points } = await side.run(1);
      const name = path.join('bench/results', file);
      mkdirSync(path.join(root, 'bench/results'), { recursive: true });
      writeFileSync(path.join(root, name), plot({ ...text, points }));
      console.error(`Written: ${name}`);
    } finally {
      await side.close();
    }
  }
}
