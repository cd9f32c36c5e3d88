import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import { type CudaReport, Dinomaly, type Evaluation, type ModelConfig } from '../../lib';
import { emulated } from '../support/deviceLibrary';
import { temporaryFolder } from '../support/temporaryFolder';
import { dinomaly, json, root, start, tiny } from './dinomaly';

const folder = temporaryFolder();
const demo = path.join(root, 'demo');
const inFolder = (...parts: string[]): string => path.join(folder, ...parts);
const model = inFolder('made', 'model.safetensors');

beforeAll(async () => {
  const trained = await json('train', demo, ...tiny, '--iterations', '6', '--output', model);
  expect(trained).toMatchObject({ model, iterations: 6, config: { trained: true, image: { resize: 32, crop: 28 } } });
  expect(trained['loss']).toBeGreaterThan(0);
});

test('score gives what the library gives, and writes heat maps laid out as the pictures are', async () => {
  const pictures = ['crack', 'good'].map((kind) => path.join(demo, 'brick/test', kind));
  const one = path.join(demo, 'stars/test/trail/000.jpg');
  const heatmaps = inFolder('heatmaps');
  const result = await json('score', model, ...pictures, one, '--heatmaps', heatmaps);
  const scored = result['pictures'] as { path: string; score: number; heatmap: string }[];
  expect(scored).toHaveLength(16);
  expect(scored[5]).toMatchObject({ path: path.join(demo, 'brick/test/good/000.jpg') });
  expect(scored[15]).toMatchObject({ path: one, heatmap: path.join(heatmaps, 'stars/test/trail/000.jpg.png') });
  const loaded = await Dinomaly.load(model);
  for (const { path: picture, score, heatmap } of [scored[0]!, scored[15]!]) {
    const expected = await loaded.score(picture, { heatmap: 'png' });
    expect(score).toBe(expected.score);
    expect(readFileSync(heatmap).equals(expected.heatmap)).toBe(true);
    expect(await sharp(heatmap).metadata()).toMatchObject({ format: 'png', width: 256, height: 256 });
  }
  await loaded.dispose();
});

test('score prints a line per picture without --json, and progress on stderr', async () => {
  const { code, stdout, stderr } = await dinomaly('score', model, path.join(demo, 'brick/test/crack'));
  expect(code).toBe(0);
  expect(stdout.trimEnd().split('\n')).toHaveLength(5);
  expect(stdout).toMatch(/^\d\.\d{4} {2}.*crack\/000\.jpg\n/);
  expect(stderr).toMatch(/Scoring 5\/5\n$/);
  expect(stderr).not.toContain('\u001b');
});

test('score stops at an unreadable picture, or warns and leaves it out', async () => {
  const mixed = inFolder('mixed');
  mkdirSync(mixed);
  copyFileSync(path.join(demo, 'brick/test/good/000.jpg'), path.join(mixed, 'a.jpg'));
  writeFileSync(path.join(mixed, 'b.jpg'), 'no picture');
  const stopped = await dinomaly('score', model, mixed, '--json');
  expect(stopped).toMatchObject({ code: 1, stdout: '' });
  expect(stopped.stderr).toMatch(/^ERR_IMAGE_UNREADABLE: .*b\.jpg/m);
  const skipped = await dinomaly('score', model, mixed, '--json', '--unreadable', 'skip');
  expect(skipped.code).toBe(0);
  expect(skipped.stderr).toMatch(/^Left out: .*b\.jpg/m);
  expect(JSON.parse(skipped.stdout)).toMatchObject({ pictures: [{ path: path.join(mixed, 'a.jpg') }] });
});

test('evaluate gives what the library gives; what is undefined is null', async () => {
  const folders = inFolder('folders');
  mkdirSync(path.join(folders, 'brick'), { recursive: true });
  for (const [part, from] of [
    ['good', 'good'],
    ['defective', 'crack'],
  ]) {
    mkdirSync(path.join(folders, 'brick', part!));
    for (const name of ['000.jpg', '001.jpg']) {
      copyFileSync(path.join(demo, 'brick/test', from!, name), path.join(folders, 'brick', part!, name));
    }
  }
  const found = (await json('evaluate', model, folders, '--layout', 'folder')) as unknown as Evaluation;
  expect(Object.keys(found)).toEqual(['classes', 'mean']);
  expect(found.classes['brick']!.image.auroc).toBeGreaterThanOrEqual(0);
  expect(found.classes['brick']!.pixel).toEqual({ auroc: null, ap: null, f1Max: null, aupro: null });
  const heatmaps = inFolder('evaluated');
  const classes = ['--class', 'brick', '--class', 'stars'];
  const table = await dinomaly('evaluate', model, demo, ...classes, '--heatmaps', heatmaps);
  expect(table.code).toBe(0);
  expect(existsSync(path.join(heatmaps, 'brick/test/crack/000.jpg.png'))).toBe(true);
  const rows = table.stdout.trimEnd().split('\n').slice(2);
  expect(rows.map((row) => row.split(/\s+/)[0])).toEqual(['brick', 'stars', 'mean']);
  for (const row of rows) expect(row).toMatch(/^\w+( +[01]\.\d{3}){7}$/);
});

test('an interrupted training keeps its checkpoint, and --resume ends with the bytes of one never stopped', async () => {
  const args = (name: string): string[] => [
    ...['train', demo, ...tiny, '--iterations', '60', '--output', inFolder(`${name}.safetensors`)],
    ...['--checkpoint', inFolder(`${name}.checkpoint`), '--every', '5'],
  ];
  const stopped = start(args('stopped'));
  while (!existsSync(inFolder('stopped.checkpoint'))) await new Promise((resolve) => setTimeout(resolve, 5));
  stopped.child.kill('SIGINT');
  const { code, stdout, stderr } = await stopped.ended;
  expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
  expect(stderr).toContain('stopped.checkpoint is kept');
  expect(existsSync(inFolder('stopped.safetensors'))).toBe(false);
  const [resumed, straight] = [await dinomaly(...args('stopped'), '--resume'), await dinomaly(...args('straight'))];
  expect([resumed.code, straight.code]).toEqual([0, 0]);
  const [a, b] = ['stopped', 'straight'].map((name) => readFileSync(inFolder(`${name}.safetensors`)));
  expect(a!.equals(b!)).toBe(true);
});

test('a place that cannot be written is refused before training', async () => {
  const { code, stderr } = await dinomaly('train', demo, ...tiny, '--output', path.join(model, 'below-a-file'));
  expect(code).toBe(1);
  expect(stderr).toMatch(/^ERR_IO: /);
  expect(stderr).not.toContain('Training');
});

test('export writes what the library writes, into a folder that it makes', async () => {
  const [file, expected] = [inFolder('exported', 'model.onnx'), inFolder('expected.onnx')];
  const loaded = await Dinomaly.load(model);
  await loaded.exportOnnx(expected, { opset: 18, dynamicBatch: true });
  await loaded.dispose();
  const result = await json('export', model, file, '--opset', '18', '--dynamic-batch');
  const bytes = readFileSync(expected);
  expect(result).toMatchObject({ file, bytes: bytes.length, opset: 18, dynamicBatch: true, config: { trained: true } });
  expect(readFileSync(file).equals(bytes)).toBe(true);
  const { stdout } = await dinomaly('export', model, file);
  expect(stdout).toBe(`Wrote ${file}, ${readFileSync(file).length} bytes.\n`);
  const refused = await dinomaly('export', model, file, '--opset', '16');
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toMatch(/^ERR_INVALID_ARGUMENT: exportOnnx\.opset: .*17 to 26.*16/);
});

test('inspect tells what a file of this package holds', async () => {
  const { config, tensors } = (await json('inspect', model)) as { config: ModelConfig; tensors: { name: string }[] };
  expect(config).toMatchObject({ encoder: { dim: 32, depth: 4 }, trained: true });
  expect(tensors.map(({ name }) => name)).toContain('decoder.0.attn.qkv.weight');
  const { stdout } = await dinomaly('inspect', model);
  expect(stdout).toMatch(/holds +a model of this package, trained/);
});

test('inspect tells what a released model holds, and other files', async () => {
  const golden = path.join(root, 'test/golden');
  const released = await json('inspect', path.join(golden, 'formats/model.pth'));
  expect(released).toMatchObject({ config: null, inferred: { dim: 64, depth: 2, registers: 2, decoderDepth: 2 } });
  const encoder = await dinomaly('inspect', path.join(root, 'models/dinov2_vits14.safetensors'));
  expect(encoder.stdout).toMatch(/holds +an encoder/);
  const other = await json('inspect', path.join(golden, 'metrics/tied.safetensors'));
  expect(other).toMatchObject({ config: null, inferred: null });
  expect(other['problem']).toContain('"cls_token" with 3 axes expected');
  expect(other['tensors']).toContainEqual({ name: 'masks', dtype: 'U8', shape: [12, 64, 64] });
});

test('inspect without a file tells what computes here', async () => {
  const machine = await json('inspect');
  expect(Object.keys(machine)).toEqual([
    ...['addon', 'node', 'platform', 'device', 'gpus', 'cuda', 'threads', 'isa', 'oneDNN', 'hubCache'],
  ]);
  expect(existsSync(machine['addon'] as string)).toBe(true);
  expect(machine['oneDNN']).toMatch(/^\d+\.\d+/);
  const { stdout } = await dinomaly('inspect');
  expect(stdout).toContain((machine['cuda'] as CudaReport).text);
});

test('inspect tests the library that DINOMALY_CUDA_LIBRARY names', async () => {
  process.env['DINOMALY_CUDA_LIBRARY'] = emulated;
  process.env['XDG_CACHE_HOME'] = inFolder('cache');
  try {
    const { cuda } = (await json('inspect')) as { cuda: CudaReport };
    expect(cuda.device).toBe('cuda:0');
    expect(cuda.candidates).toMatchObject([{ library: emulated, cublasLt: null, taken: true }]);
    expect(cuda.text).toMatch(/^dinomaly-emulated\.so, DINOMALY_CUDA_LIBRARY: \S+\.so$/m);
    expect(cuda.text).toMatch(/cuBLASLt: taken: CUDA 13\.0, cuBLASLt 13\.0\.0; GPU 0 is emulated \(/);
  } finally {
    delete process.env['DINOMALY_CUDA_LIBRARY'];
    delete process.env['XDG_CACHE_HOME'];
  }
});

test('a reader who goes away is no error', async () => {
  const { child, ended } = start(['inspect', path.join(root, 'models/dinov2_vits14.safetensors'), '--json']);
  child.stdout!.destroy();
  expect(await ended).toEqual({ code: 0, stdout: '', stderr: '' });
});
