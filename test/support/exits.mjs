// Leaves one model idle and one that was disposed of: nothing must keep the process alive.
import { Dinomaly } from '../../dist/index.mjs';

const encoder = { dim: 64, heads: 1, depth: 4, grid: 5, targets: [0, 1, 2, 3] };
const options = { encoder, image: { resize: 64, crop: 56 } };
const [idle, disposed] = await Promise.all([Dinomaly.create(options), Dinomaly.create(options)]);
const { score } = await idle.score({ data: new Uint8Array(64 * 64 * 3), width: 64, height: 64, channels: 3 });
await disposed.dispose();
console.log(JSON.stringify({ scored: score >= 0 }));
