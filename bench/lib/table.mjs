// Rows as text.

const digits = (value) =>
  value === null ? '-' : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(3);
const percent = (value, places = 0) => (value === null ? '-' : `${(100 * value).toFixed(places)} %`);

/** One line a row; columns as wide as their widest cell. */
export function table(rows) {
  const head = ['work', 'side', 'median', 'unit', 'spread', 'x best peer', 'of the roof'];
  const cells = rows.map(({ work, side, unit, median, spread, ratio, roofShare }, i) => [
    work === rows[i - 1]?.work ? '' : work,
    side,
    digits(median),
    unit,
    percent(spread, 1),
    ratio === null ? '-' : ratio.toFixed(2),
    percent(roofShare),
  ]);
  const widths = head.map((name, column) => Math.max(...[head, ...cells].map((line) => line[column].length)));
  const numbers = new Set([2, 4, 5, 6]);
  return [head, ...cells]
    .map((line) => line.map((cell, i) => (numbers.has(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))))
    .map((line) => line.join('  ').trimEnd())
    .join('\n');
}
