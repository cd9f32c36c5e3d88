// A line of points as SVG: axes that begin at 0, ticks, titles.

const [width, height] = [640, 400];
const box = { left: 70, right: 20, top: 50, bottom: 55 };
const inner = { width: width - box.left - box.right, height: height - box.top - box.bottom };

/** Steps of 1, 2 or 5 times a power of ten, about five up to `most`. */
export function ticks(most) {
  const rough = most / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, i) => Number((i * step).toPrecision(6)));
}

const escaped = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
const text = (x, y, content, anchor = 'middle', more = '') =>
  `<text x="${x}" y="${y}" text-anchor="${anchor}" ${more}>${escaped(String(content))}</text>`;
const line = (x1, y1, x2, y2) => `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="#ddd"/>`;

/**
 * @param points `[[x, y], ...]`, not below 0
 * @param straight whether to draw the straight line from 0 through the last point: what a cost that is linear follows
 */
export function plot({ title, subtitle, x, y, points, straight }) {
  const across = ticks(Math.max(...points.map((point) => point[0])));
  const up = ticks(Math.max(...points.map((point) => point[1])));
  const left = (value) => (box.left + (value / across.at(-1)) * inner.width).toFixed(1);
  const top = (value) => (height - box.bottom - (value / up.at(-1)) * inner.height).toFixed(1);
  const last = points.at(-1);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    text(width / 2, 20, title, 'middle', 'font-size="15"'),
    text(width / 2, 38, subtitle),
    ...across.flatMap((value) => [
      line(left(value), top(0), left(value), top(up.at(-1))),
      text(left(value), height - 38, value),
    ]),
    ...up.flatMap((value) => [
      line(left(0), top(value), left(across.at(-1)), top(value)),
      text(box.left - 6, Number(top(value)) + 4, value, 'end'),
    ]),
    text(width / 2, height - 12, x),
    text(16, height / 2, y, 'middle', `transform="rotate(-90 16 ${height / 2})"`),
    straight
      ? `<path d="M${left(0)} ${top(0)}L${left(last[0])} ${top(last[1])}" stroke="#999" stroke-dasharray="4"/>`
      : '',
    ...points.map((point) => `<circle cx="${left(point[0])}" cy="${top(point[1])}" r="3.5" fill="#06c"/>`),
    '</svg>',
    '',
  ].join('\n');
}
