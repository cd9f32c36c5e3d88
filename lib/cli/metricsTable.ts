import type { Evaluation, Metrics } from '../index';

export const metricNames = ['AUROC', 'AP', 'F1-max', 'AUROC', 'AP', 'F1-max', 'AUPRO'];

/** The seven metrics in the order of {@link metricNames}: three of pictures, four of pixels. */
export function metricValues({ image, pixel }: Metrics): number[] {
  return [image.auroc, image.ap, image.f1Max, pixel.auroc, pixel.ap, pixel.f1Max, pixel.aupro];
}

/** Classes and their mean as rows: a name and seven values, three decimals, `-` where undefined. */
export function metricRows({ classes, mean }: Evaluation): { name: string; values: string[] }[] {
  const rows = [...Object.entries(classes), ['mean', mean] as const];
  return rows.map(([name, metrics]) => ({ name, values: metricValues(metrics).map(shown) }));
}

/** An evaluation as text. */
export function metricsTable(evaluation: Evaluation): string {
  const rows = metricRows(evaluation);
  const width = Math.max(...rows.map(({ name }) => name.length));
  const line = (name: string, cells: string[]): string =>
    [name.padEnd(width), ...cells.map((cell) => cell.padStart(7))].join(' ').trimEnd();
  return [
    line('', ['image', '', '', 'pixel']),
    line('', metricNames),
    ...rows.map(({ name, values }) => line(name, values)),
  ].join('\n');
}

function shown(value: number): string {
  return Number.isNaN(value) ? '-' : value.toFixed(3);
}
