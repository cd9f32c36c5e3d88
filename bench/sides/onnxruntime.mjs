// onnxruntime-node on the network as this package exports it.
import { createRequire } from 'node:module';
import { batch } from './inputs.mjs';
import { peakMegabytes, serve, timed } from './protocol.mjs';

const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json');

async function open({ onnx, threads, batch: count, size }) {
  const { default: ort } = await import('onnxruntime-node');
  const session = await ort.InferenceSession.create(onnx, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    freeDimensionOverrides: { batch: count },
  });
  const { data, shape } = batch(count, size);
  const pictures = new ort.Tensor('float32', data, shape);
  return () => session.run({ pictures });
}

const score = async (work) => timed(await open(work));

async function start(work) {
  return async () => {
    const begin = performance.now();
    const call = await open(work);
    await call();
    return { value: (performance.now() - begin) / 1e3 };
  };
}

async function memory(work) {
  return async () => {
    const call = await open(work);
    for (let i = 0; i < work.pictures; i++) await call();
    return { value: peakMegabytes() };
  };
}

await serve(version, { score, start, memory });
