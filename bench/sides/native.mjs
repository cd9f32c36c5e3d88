// dinomaly-native, as its users have it: the built package.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { costs } from './costs.mjs';
import { batch, picture } from './inputs.mjs';
import { peakMegabytes, serve, timed } from './protocol.mjs';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
const built = (file) => createRequire(import.meta.url)(`../../dist/${file}`);
const load = () => import('../../dist/index.mjs');

/** The work's network with random weights. */
async function create({ network, size, threads, precision }) {
  const { Dinomaly } = await load();
  return Dinomaly.create({
    encoder: network.encoder,
    weights: 'random',
    image: { resize: size, crop: size },
    device: 'cpu',
    precision,
    threads,
  });
}

async function score(work) {
  const model = await create(work);
  const pictures = Array.from({ length: work.batch }, () => picture(work.size));
  return timed(() => model.score(pictures));
}

/** Files to scores; or, with `decoded`, what is left of that when the pictures lie in memory in the right size. */
async function scoreFiles(work) {
  const model = await create(work);
  const pictures = work.decoded ? work.files.map(() => picture(work.size)) : work.files;
  return timed(() => model.score(pictures));
}

/** One training run that is fed when it is to be timed, and waits for its next batch else. */
async function train(work) {
  const model = await create(work);
  const data = batch(work.batch, work.size);
  const steps = new Steps();
  const run = model.train(steps.batches(data), { iterations: 1_000_000, onProgress: () => steps.done() });
  run.catch((error) => steps.fail(error));
  return timedSteps(steps);
}

const timedSteps = (steps) => async (calls) => {
  const start = performance.now();
  await steps.take(calls);
  return { milliseconds: performance.now() - start };
};

/** Lets a training run make as many steps as are taken. */
class Steps {
  #allowed = 0;
  #running = 0;
  #allow = () => {};
  #finish = () => {};
  #reject = () => {};

  async *batches(data) {
    for (;;) {
      while (this.#allowed === 0) await new Promise((resolve) => (this.#allow = resolve));
      this.#allowed--;
      yield data;
    }
  }

  take(count) {
    this.#allowed = this.#running = count;
    this.#allow();
    return new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#reject = reject;
    });
  }

  done() {
    if (--this.#running === 0) this.#finish();
  }

  fail(error) {
    this.#reject(error);
  }
}

/** Trains on a data set of one batch: its first step encodes, and keeps what the others need. Those are timed. */
async function trainCached(work) {
  const model = await create(work);
  const train = Array.from({ length: work.batch }, () => ({ image: picture(work.size), class: 'noise' }));
  return async (calls) => {
    const ends = [];
    const onProgress = () => ends.push(performance.now());
    await model.train({ train }, { iterations: 1 + calls, batchSize: work.batch, onProgress });
    return { milliseconds: ends.at(-1) - ends[0] };
  };
}

/** From the package's import to the first score. */
async function start(work) {
  return async () => {
    const begin = performance.now();
    const { Dinomaly } = await load();
    const model = await Dinomaly.load(work.model, { device: 'cpu', threads: work.threads });
    await model.score(picture(work.size));
    return { value: (performance.now() - begin) / 1e3 };
  };
}

/** Of a process that opens a model and scores pictures. */
async function memory(work) {
  return async () => {
    const { Dinomaly } = await load();
    const model = await Dinomaly.load(work.model, { device: 'cpu', threads: work.threads });
    const one = picture(work.size);
    for (let i = 0; i < work.pictures; i++) await model.score(one);
    return { value: peakMegabytes() };
  };
}

async function memoryOfTraining(work) {
  return async () => {
    const run = await train(work);
    await run(work.steps);
    return { value: peakMegabytes() };
  };
}

async function resize({ from, resize, crop }) {
  const { preparePicture } = built('image/prepare.js');
  const pixels = picture(from);
  return timed(() => preparePicture(pixels, { resize, crop }));
}

/** The seven metrics as `evaluate` computes them: one sort of the pictures' scores, one of the pixels. */
async function metrics({ data, side }) {
  const { metrics } = await load();
  const read = async (name) => new Uint8Array(await readFile(path.join(data, name)));
  const floats = async (name) => new Float32Array((await read(name)).buffer);
  const maps = await floats('maps.f32');
  const scores = await floats('scores.f32');
  const masks = await read('masks.u8');
  const labels = await read('labels.u8');
  return timed(async () => [
    await metrics.image(labels, scores),
    await metrics.pixel(masks, maps, { width: side, height: side }),
  ]);
}

/** The built demo: 200 iterations, and an evaluation. */
async function demo({ folder }) {
  const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
  return async () => {
    const begin = performance.now();
    const args = [program, 'demo', '--device', 'cpu', '--output', folder];
    await promisify(execFile)(process.execPath, args);
    return { value: (performance.now() - begin) / 1e3 };
  };
}

/** Writes what the peers and the memory works open: an ONNX file, a model of this package. */
async function files(work) {
  return async () => {
    const model = await create(work);
    await model.exportOnnx(work.onnx, { dynamicBatch: true });
    if (work.model) await model.save(work.model);
    return { value: 0 };
  };
}

await serve(version, {
  score,
  files: scoreFiles,
  train,
  'train-cached': trainCached,
  start,
  memory,
  'memory-train': memoryOfTraining,
  resize,
  metrics,
  demo,
  'write-files': files,
  ...costs(create),
});
