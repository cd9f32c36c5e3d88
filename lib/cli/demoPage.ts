import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Evaluation } from '../index';
import type { EvaluatedFile } from './evaluation';
import { metricNames, metricRows } from './metricsTable';

/** Said wherever figures of the demo stand. */
export const origin = `The pictures are crops of free photographs in scikit-image's data folder (brick, gravel and the grass strewn on it:
CC0; stars: NASA's Hubble Deep Field, public domain). Their defects are simulated, so the figures show that
everything works, not how well it would do on real parts.`;

const style = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 1200px; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } th, td { padding: 0.2rem 0.7rem; text-align: right; } th:first-child { text-align: left; }
tr:last-child { border-top: 1px solid; }
.pictures { display: flex; flex-wrap: wrap; gap: 1.2rem; } figure { margin: 0; } figcaption { font-size: 0.85rem; }
img, .none { width: 180px; height: 180px; } .none { display: inline-block; background: #000; }`;

/** A page without links to other files: metrics, and of each picture itself, its mask and its heat map. */
export async function demoPage(evaluation: Evaluation, pictures: EvaluatedFile[], seed: number): Promise<string> {
  const sections = Object.keys(evaluation.classes).map(async (name) => {
    const figures = pictures.filter(({ item }) => item.class === name).map(figure);
    return `<h2>${name}</h2>\n<div class="pictures">\n${(await Promise.all(figures)).join('\n')}\n</div>`;
  });
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Dinomaly demo</title>
<style>${style}
</style>
<h1>Dinomaly demo</h1>
<p>One model, trained on good pictures of ${sections.length} classes; seed ${seed}. ${origin}</p>
${metricsHtml(evaluation)}
<p>Below, of all defective test pictures and some good ones: the picture, the true mask of its defect, and the picture
with the anomaly map over it. All heat maps have the same scale. Nothing lies over the rim, which the crop cut off.</p>
${(await Promise.all(sections)).join('\n')}
</html>
`;
}

function metricsHtml(evaluation: Evaluation): string {
  const row = (cells: string[], cell: string): string => cells.map((text) => `<${cell}>${text}</${cell}>`).join('');
  const rows = metricRows(evaluation).map(({ name, values }) => `<tr><th>${name}</th>${row(values, 'td')}</tr>`);
  return `<table>
<tr><th></th><th colspan="3">image</th><th colspan="4">pixel</th></tr>
<tr><th></th>${row(metricNames, 'th')}</tr>
${rows.join('\n')}
</table>`;
}

async function figure({ item, score, heatmap }: EvaluatedFile): Promise<string> {
  const file = item.image as string;
  const kind = path.basename(path.dirname(file));
  const mask = item.mask === undefined ? '<span class="none"></span>' : await inline(item.mask as string, 'mask');
  const images = [await inline(file, 'picture'), mask, await inline(heatmap, 'heat map')];
  const caption = `${kind}/${path.basename(file)}, score ${score.toFixed(3)}`;
  return `<figure>${images.join(' ')}<figcaption>${caption}</figcaption></figure>`;
}

async function inline(file: string, what: string): Promise<string> {
  const type = path.extname(file) === '.png' ? 'png' : 'jpeg';
  return `<img alt="${what}" src="data:image/${type};base64,${(await readFile(file)).toString('base64')}">`;
}
