// node bench/int8.mjs <model.safetensors> <data set like MVTec-AD> [layers...]: what int8 costs in maps and in AUROC, in linear
// layers of one kind at a time (encoder.fc1, or of one block: encoder.0.fc1) and as precision: 'int8' does it. The model is
// one that this package saved; needs npm run build. ONEDNN_MAX_CPU_ISA=AVX2 in the environment: as a processor without VNNI.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { compileTarget } from '../scripts/compile.mjs';
import { root, script } from '../scripts/setup.mjs';

const require = createRequire(import.meta.url);
const { Dinomaly, datasets } = require('../dist/index.js');
const { decodeRgb } = require('../dist/image/decode.js');
const { preparePicture } = require('../dist/image/prepare.js');
const { openWeights } = require('../dist/weights/index.js');

const ofBlock = ['qkv', 'proj', 'fc1', 'fc2'];
const kinds = [
  'patches',
  'encoder.0.fc1',
  ...ofBlock.map((layer) => `encoder.${layer}`),
  ...['fc1', 'fc2'].map((layer) => `bottleneck.${layer}`),
  ...ofBlock.map((layer) => `decoder.${layer}`),
];

/** The index of tensors that dinomaly_check reads. */
async function indexOf(file) {
  const { tensors } = await openWeights(file);
  return [...tensors]
    .map(([name, { dtype, offset, byteLength, shape }]) => [name, dtype, offset, byteLength, shape, file].join(' '))
    .join('\n');
}

function networkFlags({ encoder, groups, image }) {
  const { dim, heads, depth, grid, registers, targets } = encoder;
  const flags = { dim, heads, depth, grid, registers, targets, side: image.crop, dropout: 0, seed: 1, batch: 1 };
  return Object.entries({ ...flags, groups: groups.map((group) => group.join(',')).join('/') });
}

/** Maps and scores, in the order of the pictures. */
function readResults(file) {
  const bytes = readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const head = JSON.parse(bytes.toString('utf8', 8, start));
  const floats = ([from, to]) =>
    new Float32Array(bytes.buffer.slice(bytes.byteOffset + start + from, bytes.byteOffset + start + to));
  return { maps: floats(head.maps.data_offsets), scores: floats(head.scores.data_offsets) };
}

function correlation(a, b) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += (a[i] - ma) * (b[i] - mb);
    aa += (a[i] - ma) ** 2;
    bb += (b[i] - mb) ** 2;
  }
  return ab / Math.sqrt(aa * bb);
}

/** Pairs of a good and a defective picture of one class, in the order of their scores. */
function orderOf(items, scores) {
  const pairs = [];
  items.forEach((good, i) =>
    items.forEach((bad, j) => {
      if (good.class === bad.class && good.label < bad.label) pairs.push(Math.sign(scores[j] - scores[i]));
    }),
  );
  return pairs;
}

await script(async () => {
  const [model, data, ...chosen] = process.argv.slice(2);
  const folder = mkdtempSync(path.join(os.tmpdir(), 'dinomaly-int8-'));
  try {
    compileTarget('dinomaly_check_cpu');
    const loaded = await Dinomaly.load(model, { device: 'cpu' });
    const { config } = loaded;
    await loaded.dispose();
    const { test } = await datasets.mvtec(data);
    const at = (name) => path.join(folder, name);
    const pictures = await Promise.all(
      test.map(async ({ image }) => preparePicture(await decodeRgb(image), config.image)),
    );
    writeFileSync(at('pixels'), Buffer.concat(pictures));
    writeFileSync(at('weights'), await indexOf(path.resolve(model)));
    const run = (precision) => {
      const flags = [
        ...networkFlags(config),
        ['pixels', at('pixels')],
        ['weights', at('weights')],
        ['results', at('results')],
      ];
      const all = flags.flatMap(([name, value]) => [`--${name}`, String(value)]);
      execFileSync(path.join(root, 'build/Release/dinomaly_check_cpu'), ['score', ...all, '--precision', precision]);
      return readResults(at('results'));
    };
    const exact = run('f32');
    const size = exact.maps.length / test.length;
    const mapOf = (maps, i) => maps.subarray(i * size, (i + 1) * size);
    console.log(
      `${test.length} pictures; linear layers in int8: least correlation of a map, of all maps, pairs swapped`,
    );
    for (const kind of [...(chosen.length > 0 ? chosen : kinds).map((name) => `int8:${name}`), 'int8']) {
      const found = run(kind);
      const each = test.map((_, i) => correlation(mapOf(found.maps, i), mapOf(exact.maps, i)));
      const before = orderOf(test, exact.scores);
      const swapped = orderOf(test, found.scores).filter((order, i) => order !== before[i]).length;
      console.log(
        kind.padEnd(20),
        Math.min(...each).toFixed(6),
        correlation(found.maps, exact.maps).toFixed(6),
        swapped,
      );
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
