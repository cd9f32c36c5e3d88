// Runs an exported network in onnxruntime, outside of jest, whose typed arrays it does not take for such.
// Arguments: the ONNX file, and JSON of [{ file, shape }], each of raw float32 numbers. Maps are written beside them.
import { readFileSync, writeFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const [model, inputs] = process.argv.slice(2);
const session = await InferenceSession.create(model, { intraOpNumThreads: 2 });
const results = [];
for (const { file, shape } of JSON.parse(inputs)) {
  const numbers = new Float32Array(new Uint8Array(readFileSync(file)).buffer);
  const { map, score } = await session.run({ pictures: new Tensor('float32', numbers, shape) });
  writeFileSync(`${file}.map`, map.data);
  results.push({ map: { file: `${file}.map`, shape: map.dims }, score: { data: [...score.data], shape: score.dims } });
}
console.log(JSON.stringify(results));
