// The score of one picture in the main thread and in two workers at the same time.
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { Dinomaly } from '../../dist/index.mjs';

async function score() {
  const encoder = { dim: 64, heads: 1, depth: 4, grid: 5, targets: [0, 1, 2, 3] };
  const model = await Dinomaly.create({ encoder, image: { resize: 64, crop: 56 }, threads: 1, seed: 3 });
  const data = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 37) % 256);
  const result = await model.score({ data, width: 64, height: 64, channels: 3 });
  await model.dispose();
  return result.score;
}

if (isMainThread) {
  const fromWorkers = [1, 2].map(
    () =>
      new Promise((resolve, reject) => {
        const worker = new Worker(new URL(import.meta.url));
        worker.once('message', resolve);
        worker.once('error', reject);
      }),
  );
  console.log(JSON.stringify(await Promise.all([score(), ...fromWorkers])));
} else {
  parentPort.postMessage(await score());
}
