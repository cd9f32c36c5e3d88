import { datasets, Dinomaly, type ErrorCode } from '../lib';
import { rejection } from './support/error';
import { disposing, picture, small, smallDataset } from './support/small';

const opened = disposing();

describe('create', () => {
  test.each<[string, object, ErrorCode, RegExp]>([
    [
      'unknown option',
      { encodr: 'x' },
      'ERR_INVALID_ARGUMENT',
      /create: expected only the fields encoder.*found 'encodr'/,
    ],
    [
      'unknown name',
      { encoder: 'resnet' },
      'ERR_INVALID_ARGUMENT',
      /encoder: expected one of .*base_14.*found 'resnet'/,
    ],
    ['shape without heads', { encoder: { dim: 64, depth: 12 } }, 'ERR_INVALID_ARGUMENT', /encoder.heads: .*undefined/],
    [
      'heads',
      { encoder: { ...small.encoder, heads: 5 } },
      'ERR_INVALID_ARGUMENT',
      /heads: expected a divisor.*found 5/,
    ],
    ['targets', { encoder: { ...small.encoder, targets: [2, 9] } }, 'ERR_INVALID_ARGUMENT', /targets: .*0 to 3/],
    ['groups', { ...small, groups: [[0, 4]] }, 'ERR_INVALID_ARGUMENT', /groups: .*0 to 3.*found \[ \[ 0, 4 \] \]/],
    ['decoderDepth', { ...small, decoderDepth: 8 }, 'ERR_INVALID_ARGUMENT', /decoderDepth: .*\(4\), found 8/],
    ['dropout', { ...small, dropout: 1 }, 'ERR_INVALID_ARGUMENT', /create.dropout: expected a number.*found 1/],
    [
      'crop',
      { ...small, image: { resize: 64, crop: 60 } },
      'ERR_INVALID_ARGUMENT',
      /image.crop: .*patch \(14\), found 60/,
    ],
    [
      'crop above resize',
      { ...small, image: { resize: 42 } },
      'ERR_INVALID_ARGUMENT',
      /image.crop: .*\(42\), found 392/,
    ],
    ['seed', { ...small, seed: -1 }, 'ERR_INVALID_ARGUMENT', /create.seed: .*found -1/],
    ['threads', { ...small, threads: 0 }, 'ERR_INVALID_ARGUMENT', /create.threads: .*found 0/],
    ['hub of a shape', { ...small, weights: 'hub' }, 'ERR_INVALID_ARGUMENT', /create.weights: .*'random'.*found 'hub'/],
    ['device', { ...small, device: 'tpu' }, 'ERR_INVALID_ARGUMENT', /device: .*'auto'.*found 'tpu'/],
    [
      'a library that is not there',
      { ...small, device: 'cuda:1', cuda: { library: '/nowhere.so' } },
      'ERR_DEVICE_UNAVAILABLE',
      /found 'cuda:1'[^]*nowhere\.so, option cuda\.library: not found/,
    ],
    [
      'cuda',
      { ...small, cuda: { path: '/' } },
      'ERR_INVALID_ARGUMENT',
      /create.cuda: .*library, cublasLt, found 'path'/,
    ],
    [
      'precision',
      { ...small, precision: 'bf16' },
      'ERR_DEVICE_UNAVAILABLE',
      /precision: .*'f32' or 'int8'.*found 'bf16'/,
    ],
    ['half precision', { ...small, precision: 'f16' }, 'ERR_INVALID_ARGUMENT', /precision: .*'f32'.*found 'f16'/],
    ['too much', { encoder: { dim: 16_384, heads: 8, depth: 1024 } }, 'ERR_OUT_OF_MEMORY', /needs 1[0-9]{4}\.\d GiB/],
    ['weights not there', { ...small, weights: '/nowhere.pth' }, 'ERR_FILE_NOT_FOUND', /nowhere\.pth/],
  ])('refuses %s', async (_, options, code, message) => {
    const error = await rejection(Dinomaly.create(options), code);
    expect(error.message).toMatch(message);
  });

  test('fills in the defaults of the paper', async () => {
    const model = await opened(Dinomaly.create({ encoder: { dim: 64, heads: 2, depth: 10 } }));
    expect(model.config).toEqual({
      encoder: {
        ...{ dim: 64, heads: 2, depth: 10, patch: 14, grid: 37, registers: 0, layerScale: true },
        targets: [2, 3, 4, 5, 6, 7, 8, 9],
      },
      image: { resize: 448, crop: 392 },
      dropout: 0.2,
      groups: [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
      ],
      decoderDepth: 8,
      trained: false,
      heatmapMax: 0.5,
    });
    expect(model.device).toBe('cpu');
  });

  test('uses the encoder of this package when nothing is said, and when its name is', async () => {
    const [unsaid, named] = await Promise.all([
      opened(Dinomaly.create()),
      opened(Dinomaly.create({ encoder: 'dinov2_vit_small_14' })),
    ]);
    expect(unsaid.config).toEqual(named.config);
    expect(unsaid.config.encoder).toMatchObject({ dim: 384, heads: 6, depth: 12, registers: 0 });
    const [a, b] = [await unsaid.stateDict(), await named.stateDict()];
    expect(a['encoder.cls_token']).toEqual(b['encoder.cls_token']);
    const random = await opened(Dinomaly.create({ encoder: 'dinov2_vit_small_14', weights: 'random' }));
    expect((await random.stateDict())['encoder.cls_token']).not.toEqual(a['encoder.cls_token']);
  });
});

describe('an error', () => {
  test('shows who called', async () => {
    const error = await rejection(Dinomaly.create({ seed: -1 }), 'ERR_INVALID_ARGUMENT');
    expect(error.stack).toContain(__filename);
    const model = await opened(Dinomaly.create(small));
    const unread = await rejection(model.score('/nowhere.png'), 'ERR_IMAGE_UNREADABLE');
    expect(unread.stack).toContain(__filename);
    const unwritten = await rejection(model.save('/nowhere/at/all.safetensors'), 'ERR_IO');
    expect(unwritten.stack).toContain(__filename);
  });
});

test.each<[string, (model: Dinomaly) => Promise<unknown>, RegExp]>([
  ['train iterations', (m) => m.train(smallDataset(), { iterations: 0 }), /train.iterations: .*found 0/],
  [
    'feature memory',
    (m) => m.train(smallDataset(), { featureCache: { memory: -1 } }),
    /train.featureCache.memory: .*-1/,
  ],
  [
    'feature file',
    (m) => m.train(smallDataset(), { featureCache: { file: true as never } }),
    /train.featureCache.file: expected false or a string .*found true/,
  ],
  ['train resume', (m) => m.train(smallDataset(), { resume: true }), /train.checkpoint: expected \{ path \}/],
  ['train data', (m) => m.train(5 as never), /data: expected a data set, found 5/],
  ['train item', (m) => m.train({ train: [{ image: 7 as never, class: 'a' }] }), /data.train.0.image: .*found 7/],
  ['batch', (m) => m.train([{ data: new Float32Array(3), shape: [1, 3, 1, 1] }]), /batch.shape: .*patch \(14\)/],
  ['score options', (m) => m.score(picture(1), { heatmap: 'jpg' as never }), /score.heatmap: .*'png'.*found 'jpg'/],
  ['score image', (m) => m.score(null as never), /image: expected .*found null/],
  ['raw image', (m) => m.score({ ...picture(1), width: 3 }), /image.data: expected .*540 bytes, found 12960/],
  ['infer shape', (m) => m.infer({ data: new Float32Array(3), shape: [3] }), /infer.shape: .*found \[ 3 \]/],
  ['infer data', (m) => m.infer({ data: [1] as never, shape: [1, 3, 14, 14] }), /infer.data: expected a Float32Array/],
  ['infer length', (m) => m.infer({ data: new Float32Array(3), shape: [1, 3, 14, 14] }), /infer.data: .*588.*found 3/],
  ['evaluate label', (m) => m.evaluate({ test: [{ image: 'a', class: 'a', label: 2 as never }] }), /test.0.label: /],
  ['save path', (m) => m.save(''), /save.path: expected a string/],
])('%s is checked', async (_, call, message) => {
  const model = await opened(Dinomaly.create(small));
  const error = await rejection(call(model), 'ERR_INVALID_ARGUMENT');
  expect(error.message).toMatch(message);
});

test.each([
  ['train', (m: Dinomaly) => m.train({ classes: ['a', 'b'], train: [{ image: 'x', class: 'a' }] })],
  ['evaluate', (m: Dinomaly) => m.evaluate({ classes: ['a', 'b'], test: [{ image: 'x', class: 'a', label: 0 }] })],
])('%s names an empty class', async (_, call) => {
  const model = await opened(Dinomaly.create(small));
  expect((await rejection(call(model), 'ERR_DATASET')).message).toMatch(/Class "b" is empty/);
});

test('a data set smaller than a batch is refused', async () => {
  const model = await opened(Dinomaly.create(small));
  const error = await rejection(model.train(smallDataset(3), { batchSize: 7 }), 'ERR_DATASET');
  expect(error.message).toMatch(/batchSize = 7 training pictures, found 6/);
});

test('datasets and the class are exported', () => {
  expect(Object.keys(datasets).sort()).toEqual(['folder', 'mvtec']);
});
