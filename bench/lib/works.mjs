// What is measured. A work names its sides, and tells them all that they need (bench/sides, bench/python, bench/pytorch).
import path from 'node:path';
import { ours, roof } from './rows.mjs';

const scorers = [ours, 'onnxruntime', 'openvino', 'pytorch-eager', 'pytorch-compile'];
const trainers = [ours, 'pytorch-eager', 'pytorch-compile'];

// As bench/pytorch/network.py takes them, and, `encoder`, this package.
const targets = [2, 3, 4, 5, 6, 7, 8, 9];
const shared = {
  grid: 37,
  registers: 0,
  patch: 14,
  targets,
  groups: [targets.slice(0, 4), targets.slice(4)].map(places),
};
export const networks = {
  S14: { encoder: 'dinov2_vit_small_14', dim: 384, heads: 6, ...shared },
  B14: { encoder: 'dinov2_vit_base_14', dim: 768, heads: 12, ...shared },
};

function places(group) {
  return group.map((target) => targets.indexOf(target));
}

const onnxOf = (folder, network, size) => path.join(folder, `${network}-${size}.onnx`);

function score(folder, network, size, batch, threads) {
  const onnx = onnxOf(folder, network, size);
  return {
    name: `score/${network}/${size}/f32/b${batch}/t${threads}`,
    kind: 'score',
    unit: 'pictures/s',
    sides: [...scorers, roof],
    files: { onnx },
    work: { network: networks[network], size, batch, threads, precision: 'f32', onnx },
    pictures: batch,
  };
}

/** Our own scoring in int8 against the same in f32. */
function scoreInt8(network, size) {
  return {
    name: `score/${network}/${size}/int8/b1/t2`,
    kind: 'score',
    unit: 'pictures/s',
    sides: [ours, 'dinomaly-native-f32'],
    work: { network: networks[network], size, batch: 1, threads: 2, precision: 'int8' },
    of: { 'dinomaly-native-f32': { precision: 'f32' } },
    pictures: 1,
  };
}

function train(kind) {
  return {
    name: `${kind}/S14/280/f32/b8/t2`,
    kind,
    unit: 'pictures/s',
    sides: trainers,
    work: { network: networks.S14, size: 280, batch: 8, threads: 2, precision: 'f32' },
    pictures: 8,
  };
}

function filesToScores(files) {
  return {
    name: 'files/S14/280/f32/t2',
    kind: 'files',
    unit: 'pictures/s',
    sides: [ours, 'scoring-alone'],
    work: { network: networks.S14, size: 280, threads: 2, precision: 'f32', files },
    of: { 'scoring-alone': { decoded: true } },
    pictures: files.length,
  };
}

const resize = {
  name: 'files/resize1024',
  kind: 'resize',
  unit: 'ms',
  sides: [ours, 'pillow'],
  work: { from: 1024, resize: 448, crop: 392, threads: 1 },
};

/** The same S/14 as the peers and as we open it. */
const modelsOf = (folder, size) => ({
  onnx: onnxOf(folder, 'S14', size),
  model: path.join(folder, `S14-${size}.safetensors`),
});

function start(folder) {
  const files = modelsOf(folder, 224);
  return {
    name: 'start/S14/224',
    kind: 'start',
    unit: 's',
    sides: [ours, 'onnxruntime', 'openvino', 'pytorch-eager'],
    files,
    work: { network: networks.S14, size: 224, batch: 1, threads: 2, precision: 'f32', ...files },
    once: true,
  };
}

function memory(folder) {
  const files = modelsOf(folder, 280);
  return {
    name: 'memory/S14/280',
    kind: 'memory',
    unit: 'MB',
    sides: [ours, 'onnxruntime', 'openvino', 'pytorch-eager'],
    files,
    work: { network: networks.S14, size: 280, batch: 1, threads: 2, precision: 'f32', pictures: 50, ...files },
    once: true,
    rounds: 2,
  };
}

const memoryOfTraining = {
  name: 'memory/train/S14/280/b8',
  kind: 'memory-train',
  unit: 'MB',
  sides: [ours, 'pytorch-eager'],
  work: { network: networks.S14, size: 280, batch: 8, threads: 2, precision: 'f32', steps: 3 },
  once: true,
  rounds: 2,
};

function metrics(folder) {
  return {
    name: 'metrics/83x256',
    kind: 'metrics',
    unit: 's',
    sides: [ours, 'scikit-learn'],
    files: { data: path.join(folder, 'metrics') },
    work: { data: path.join(folder, 'metrics'), images: 83, side: 256, threads: 2 },
    rounds: 3,
  };
}

/** The demo, which takes minutes. */
export function demo(folder) {
  return {
    name: 'demo',
    kind: 'demo',
    unit: 's',
    sides: [ours],
    work: { folder: path.join(folder, 'demo'), threads: 2 },
    once: true,
    rounds: 1,
  };
}

const sizes = [
  ['S14', 224],
  ['S14', 280],
  ['S14', 392],
  ['B14', 392],
];

/**
 * @param folder where sides find their files
 * @param jpegs paths of pictures of 1024 x 1024
 */
export function allWorks(folder, jpegs) {
  const scoring = sizes.flatMap(([network, size]) =>
    [1, 4].flatMap((batch) => [1, 2].map((threads) => score(folder, network, size, batch, threads))),
  );
  return [
    ...scoring,
    ...sizes.map(([network, size]) => scoreInt8(network, size)),
    train('train'),
    train('train-cached'),
    filesToScores(jpegs),
    resize,
    start(folder),
    memory(folder),
    memoryOfTraining,
    metrics(folder),
  ];
}
