// Delay of the event loop, in milliseconds, while a real encoder trains on pictures and scores others.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { datasets, Dinomaly } from '../../dist/index.mjs';

const demo = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../demo');
const data = await datasets.mvtec(demo, { classes: ['brick'] });
const model = await Dinomaly.create({ image: { resize: 128, crop: 112 } });
const delay = monitorEventLoopDelay({ resolution: 1 });
const counts = { iterations: 0, scores: 0 };
let trained = false;
delay.enable();
const scoring = (async () => {
  while (!trained) {
    await model.score(data.test[0].image, { heatmap: 'png' });
    counts.scores++;
  }
})();
await model.train(data, { iterations: 20, batchSize: 4, onProgress: () => counts.iterations++ });
trained = true;
await scoring;
delay.disable();
await model.dispose();
console.log(JSON.stringify({ ...counts, p99: delay.percentile(99) / 1e6 }));
