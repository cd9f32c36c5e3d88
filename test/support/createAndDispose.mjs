// Resident memory in MiB after 50 and after 200 models that were made, used and disposed of: on the CPU, or with the
// library of CUDA kernels that is named.
import { Dinomaly } from '../../dist/index.mjs';

const library = process.argv[2];
const runtime = library === undefined ? { device: 'cpu' } : { device: 'cuda', cuda: { library } };
const encoder = { dim: 64, heads: 1, depth: 4, grid: 5, targets: [0, 1, 2, 3] };
const image = { data: new Uint8Array(64 * 64 * 3), width: 64, height: 64, channels: 3 };
const resident = {};
for (let i = 1; i <= 200; i++) {
  const model = await Dinomaly.create({ encoder, image: { resize: 28, crop: 28 }, threads: 1, ...runtime });
  await model.score(image);
  await model.dispose();
  globalThis.gc();
  resident[i] = process.memoryUsage.rss() / 2 ** 20;
}
console.log(JSON.stringify({ early: resident[50], late: resident[200] }));
