// Delay of the event loop, in milliseconds, while a real encoder trains on pictures and scores others.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { datasets, Dinomaly } from '../../dist/index.mjs';

const demo = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../demo');
const data = await datasets.mvtec(demo, { classes: ['brick'] });
const model = await Dinomaly.create({ image: { resize: 256, crop: 224 } });
const delay = monitorEventLoopDelay({ resolution: 1 });
const counts = { iterations: 0, scores: 0 };
const stop = new AbortController();
delay.enable();
const scoring = (async () => {
  while (!stop.signal.aborted) {
    await model.score(data.test[0].image, { heatmap: 'png' });
    counts.scores++;
  }
})();
const training = model.train(data, { batchSize: 4, signal: stop.signal, onProgress: () => counts.iterations++ });
setTimeout(() => stop.abort(), 12_000);
await training.catch(() => {});
await scoring;
delay.disable();
await model.dispose();
console.log(JSON.stringify({ ...counts, p99: delay.percentile(99) / 1e6 }));
