import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Evaluation } from '../../lib';
import { temporaryFolder } from '../support/temporaryFolder';
import { json } from './dinomaly';

const minutes = 60_000;
const output = path.join(temporaryFolder(), 'demo-output');

test(
  'the demo reaches its numbers and writes what it says',
  async () => {
    const result = await json('demo', '--seed', '1', '--output', output);
    const { classes, mean, heatmaps } = result as unknown as Evaluation & { heatmaps: string[] };
    expect(Object.keys(classes)).toEqual(['brick', 'gravel', 'stars']);
    expect(mean.image.auroc).toBeGreaterThanOrEqual(0.95);
    expect(mean.pixel.auroc).toBeGreaterThanOrEqual(0.94);
    expect(mean.pixel.aupro).toBeGreaterThanOrEqual(0.9);
    expect(heatmaps).toHaveLength(75);
    for (const file of [...heatmaps, result['model'] as string]) expect(existsSync(file)).toBe(true);
    const page = readFileSync(result['page'] as string, 'utf8');
    expect(page).toContain(`<td>${mean.pixel.aupro.toFixed(3)}</td>`);
    expect(page).toContain('Their defects are simulated');
    expect(page.match(/<img /g)).toHaveLength(3 * (15 * 3 + 2 * 2));
    expect(page).not.toMatch(/(src|href)="(?!data:)/);
  },
  15 * minutes,
);
