import { types } from 'node:util';
import { addon, type NativeModel } from '../../lib/addon';
import { config, errorOf, openModel, picture, side, stepOptions, token } from './support';

let model: NativeModel;
beforeAll(async () => {
  model = await openModel();
  await model.beginTraining({ side, batchSize: 2, cacheBytes: 1e6 });
});
afterAll(() => model.dispose());

/** A function of the addon called with values that its types forbid. */
type Loose = (...given: unknown[]) => unknown;

function method(name: Exclude<keyof NativeModel, 'dispose'>): Loose {
  return (...given) => (model[name] as Loose).call(model, ...given);
}

const bytes = (length: number) => new Uint8Array(length);
const floats = (length: number) => new Float32Array(length);
const map = floats(256 * 256);
const pixels = picture(0);
const sources = (change: object) => [
  { name: 'a', shape: [1], parts: [{ path: '/a', offset: 0, byteLength: 4, dtype: 'F32' }], ...change },
];
const part = (change: object) =>
  sources({ parts: [{ path: '/a', offset: 0, byteLength: 4, dtype: 'F32', ...change }] });
const step = (change: object) => [{ pictures: [{ id: 0, pixels }] }, { ...stepOptions, ...change }, token()];
const data = floats(3 * side * side);

const cases: [string, () => unknown, RegExp][] = [
  ['load: no array', () => method('load')('x'), /'sources': expected an array.*found a string/],
  ['load: a sparse array', () => method('load')(new Array(3)), /'sources\[0\]': expected an object, found undefined/],
  ['load: a huge array', () => method('load')(new Array(2 ** 31)), /'sources': expected an array of at most/],
  ['load: name', () => method('load')(sources({ name: 1 })), /'sources\[0\]\.name': expected a string, found 1/],
  ['load: shape', () => method('load')(sources({ shape: [1.5] })), /shape\[0\]': expected an integer.*found 1\.5/],
  ['load: parts', () => method('load')(sources({ parts: {} })), /parts': expected an array.*found an object/],
  ['load: path', () => method('load')(part({ path: 'a\0b' })), /path': expected a path, not empty and without NUL/],
  ['load: offset', () => method('load')(part({ offset: -1 })), /offset': expected an integer from 0.*found -1/],
  ['load: byteLength', () => method('load')(part({ byteLength: 2 ** 60 })), /byteLength': expected an integer/],
  ['load: dtype', () => method('load')(part({ dtype: 'I8' })), /dtype': expected F32, F16 or BF16, found 'I8'/],
  ['initialise: what', () => method('initialise')('some', 1), /'what': expected 'all' or 'trainable', found 'some'/],
  ['initialise: seed', () => method('initialise')('all', NaN), /'seed': expected an integer.*found nan/],
  [
    'infer: data',
    () => method('infer')([1], [1, 3, side, side], token()),
    /'data': expected a Float32Array.*array of 1/,
  ],
  [
    'infer: another kind',
    () => method('infer')(new Float64Array(data), [1, 3, side, side], token()),
    /Float64Array of/,
  ],
  ['infer: length', () => method('infer')(data, [2, 3, side, side], token()), /'data': expected Float32Array of 18816/],
  ['infer: rank', () => method('infer')(data, [3, side, side], token()), /'shape': expected \[B, 3, H, W\]/],
  ['infer: channels', () => method('infer')(data, [3, 1, side, side], token()), /'shape': expected \[B, 3, H, W\]/],
  [
    'infer: empty',
    () => method('infer')(floats(0), [0, 3, side, side], token()),
    /'shape\[0\]': expected an integer from 1/,
  ],
  ['infer: overflow', () => method('infer')(data, [2 ** 40, 3, 2 ** 40, 1], token()), /'shape': .*product/],
  ['infer: token', () => method('infer')(data, [1, 3, side, side], {}), /'cancel': expected a CancelToken/],
  [
    'infer: a model as token',
    () => method('infer')(data, [1, 3, side, side], model),
    /'cancel': expected a CancelToken/,
  ],
  ['score: no arguments', () => method('score')(), /'side': expected an integer.*found undefined/],
  [
    'score: pixels',
    () => method('score')(pixels.subarray(1), side, token()),
    /'pixels': expected Uint8Array of 9408.*9407/,
  ],
  ['score: clamped', () => method('score')(new Uint8ClampedArray(pixels), side, token()), /found Uint8ClampedArray/],
  ['score: side', () => method('score')(pixels, '56', token()), /'side': expected an integer.*found a string/],
  ['score: a bigint', () => method('score')(pixels, 56n, token()), /'side': .*found a bigint/],
  ['beginTraining: options', () => method('beginTraining')(null), /'options': expected an object, found null/],
  [
    'beginTraining: side',
    () => method('beginTraining')({ batchSize: 1, cacheBytes: 1 }),
    /'options\.side'.*found undefined/,
  ],
  ['beginTraining: batch', () => method('beginTraining')({ side, batchSize: 0 }), /batchSize'.*found 0/],
  [
    'beginTraining: bytes',
    () => method('beginTraining')({ side, batchSize: 1, cacheBytes: Infinity }),
    /cacheBytes'.*found inf/,
  ],
  [
    'beginTraining: folder',
    () => method('beginTraining')({ side, batchSize: 1, cacheBytes: 1, cacheFolder: '' }),
    /cacheFolder': expected/,
  ],
  ['readFeatures: id', () => method('readFeatures')(-1), /'id': expected an integer.*found -1/],
  ['hasFeatures: id', () => method('hasFeatures')(true), /'id': expected an integer.*found true/],
  ['trainStep: batch', () => method('trainStep')(Symbol('x')), /'batch': expected an object, found a symbol/],
  ['trainStep: none', () => method('trainStep')({ pictures: [] }), /'pictures': expected at least one/],
  ['trainStep: id', () => method('trainStep')({ pictures: [{}] }), /'pictures\[0\]\.id': expected an integer/],
  [
    'trainStep: pixels',
    () => method('trainStep')({ pictures: [{ id: 1, pixels: 'x' }] }),
    /pixels': expected a Uint8Array/,
  ],
  ['trainStep: tensor', () => method('trainStep')({ data, shape: 'x' }), /'shape': expected an array/],
  ['trainStep: iteration', () => method('trainStep')(...step({ iteration: -1 })), /'options\.iteration': .*found -1/],
  ['trainStep: iterations', () => method('trainStep')(...step({ iterations: 0 })), /'options\.iterations': .*found 0/],
  [
    'trainStep: rate',
    () => method('trainStep')(...step({ learningRate: NaN })),
    /'options\.learningRate': .*found nan/,
  ],
  ['trainStep: final rate', () => method('trainStep')(...step({ finalLearningRate: '1' })), /finalLearningRate': /],
  ['trainStep: warmup', () => method('trainStep')(...step({ warmup: 0.5 })), /'options\.warmup': .*found 0\.5/],
  [
    'trainStep: discard',
    () => method('trainStep')(...step({ discardRate: 2 })),
    /'options\.discardRate': .*to 1, found 2/,
  ],
  ['trainStep: discardWarmup', () => method('trainStep')(...step({ discardWarmup: null })), /discardWarmup': .*null/],
  ['trainStep: clip', () => method('trainStep')(...step({ clipNorm: -1 })), /'options\.clipNorm': .*found -1/],
  ['trainStep: decay', () => method('trainStep')(...step({ weightDecay: undefined })), /weightDecay': .*undefined/],
  ['trainStep: report', () => method('trainStep')(...step({ report: 1 })), /'options\.report': expected true or false/],
  ['trainStep: seed', () => method('trainStep')(...step({ seed: 2 ** 53 })), /'options\.seed': expected an integer/],
  ['trainStep: token', () => method('trainStep')(...step({}).slice(0, 2)), /'cancel': expected a CancelToken/],
  ['observe: batch', () => method('observe')([]), /'data': expected|'shape': expected/],
  [
    'observe: token',
    () => method('observe')({ data, shape: [1, 3, side, side] }, null),
    /'cancel': expected a CancelToken/,
  ],
  ['save: path', () => method('save')('', {}, false), /'path': expected a path/],
  ['save: metadata', () => method('save')('/tmp/x', { a: 1 }, false), /'metadata\.a': expected a string, found 1/],
  ['save: optimizer', () => method('save')('/tmp/x', {}, 'yes'), /'optimizer': expected true or false, found a string/],
  [
    'Model: no arguments',
    () => new (addon().Model)(undefined as never),
    /'config': expected an object, found undefined/,
  ],
  ['Model: encoder', () => new (addon().Model)({} as never), /'encoder': expected an object/],
  ['Model: dim', () => new (addon().Model)({ ...config, encoder: { ...config.encoder, dim: 0 } }), /'encoder\.dim': /],
  ['Model: heads', () => new (addon().Model)({ ...config, encoder: { ...config.encoder, heads: 3 } }), /heads/],
  [
    'Model: layerScale',
    () => new (addon().Model)({ ...config, encoder: { ...config.encoder, layerScale: 1 as never } }),
    /layerScale/,
  ],
  [
    'Model: targets',
    () => new (addon().Model)({ ...config, encoder: { ...config.encoder, targets: [1, 9] } }),
    /targets/,
  ],
  ['Model: groups', () => new (addon().Model)({ ...config, groups: [[5]] }), /groups/],
  ['Model: decoderDepth', () => new (addon().Model)({ ...config, decoderDepth: 3 }), /decoderDepth/],
  [
    'Model: dropout',
    () => new (addon().Model)({ ...config, dropout: 1.5 }),
    /'dropout': expected a number from 0 to 1/,
  ],
  [
    'Model: device',
    () => new (addon().Model)({ ...config, device: 'tpu' as never }),
    /'device': expected 'cpu' or 'cuda', found 'tpu'/,
  ],
  ['Model: threads', () => new (addon().Model)({ ...config, threads: -1 }), /'threads': expected an integer from 0/],
  ['prepareImage: pixels', () => addon().prepareImage(bytes(11), 2, 2, 4, 2), /'pixels': expected Uint8Array of 12/],
  ['prepareImage: width', () => addon().prepareImage(bytes(12), 0, 2, 4, 2), /'width': expected an integer from 1/],
  ['prepareImage: crop', () => addon().prepareImage(bytes(12), 2, 2, 4, 5), /'crop': expected an integer from 1 to 4/],
  ['release: pixels', () => addon().release(floats(1) as never), /'pixels': expected a Uint8Array/],
  ['prepareMask: pixels', () => addon().prepareMask(bytes(12), 2, 2, 4, 2), /'pixels': expected Uint8Array of 4/],
  ['prepareMask: resize', () => addon().prepareMask(bytes(4), 2, 2, 2 ** 30, 2), /'resize': expected an integer/],
  ['mapToOriginal: map', () => addon().mapToOriginal(floats(4), 2, 2, 4, 2), /'map': expected Float32Array of 65536/],
  ['mapToOriginal: height', () => addon().mapToOriginal(map, 2, null as never, 4, 2), /'height': .*found null/],
  ['renderHeatmap: pixels', () => addon().renderHeatmap(bytes(3), floats(4), 2, 2, 1), /'pixels': .*of 12/],
  [
    'renderHeatmap: map',
    () => addon().renderHeatmap(bytes(12), floats(3), 2, 2, 1),
    /'map': expected Float32Array of 4/,
  ],
  ['renderHeatmap: max', () => addon().renderHeatmap(bytes(12), floats(4), 2, 2, NaN), /'max': .*found nan/],
  ['rankingMetrics: labels', () => addon().rankingMetrics([0] as never, floats(1)), /'labels': expected a Uint8Array/],
  ['rankingMetrics: scores', () => addon().rankingMetrics(bytes(2), floats(1)), /'scores': expected Float32Array of 2/],
  [
    'pixelMetrics: masks',
    () => addon().pixelMetrics(bytes(5), floats(5), 2, 2),
    /'masks': expected a multiple of 2 x 2, found 5/,
  ],
  ['pixelMetrics: maps', () => addon().pixelMetrics(bytes(4), floats(8), 2, 2), /'maps': expected Float32Array of 4/],
  ['pixelMetrics: width', () => addon().pixelMetrics(bytes(4), floats(4), 1.5, 2), /'width': expected an integer/],
];

test.each(cases)('%s', (_, call, message) => {
  let error: (Error & { code?: string }) | undefined;
  try {
    call();
  } catch (thrown) {
    error = thrown as Error;
  }
  expect(types.isNativeError(error)).toBe(true); // not instanceof: jest's Error is another than the addon's
  expect(error?.code).toBe('ERR_INVALID_ARGUMENT');
  expect(error?.message).toMatch(message);
});

test('errors that only the computation meets reject', async () => {
  const call = () => model.score(new Uint8Array(57 * 57 * 3), 57, token());
  expect(await errorOf(call)).toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
    message: expect.stringMatching(/57x57/) as string,
  });
  const nan = () => addon().rankingMetrics(bytes(1), Float32Array.of(NaN));
  expect((await errorOf(nan)).code).toBe('ERR_INVALID_ARGUMENT');
});

test('an error that a getter throws passes through', () => {
  const failure = new RangeError('mine');
  const options = {
    get side(): number {
      throw failure;
    },
    batchSize: 1,
    cacheBytes: 0,
  };
  expect(() => model.beginTraining(options)).toThrow(failure);
});

test('a getter that detaches a buffer, or disposes of the model, does no harm', async () => {
  const victim = await openModel();
  const floatsToDetach = new Float32Array(3 * side * side);
  const batch = {
    get data() {
      void victim.dispose();
      structuredClone(floatsToDetach.buffer, { transfer: [floatsToDetach.buffer] });
      return floatsToDetach;
    },
    shape: [1, 3, side, side],
  };
  expect(() => victim.observe(batch, token())).toThrow(/'data': expected Float32Array of 9408, found .* of 0/);
  const disposing = {
    get pictures() {
      void victim.dispose();
      return [{ id: 1, pixels }];
    },
  };
  expect(await errorOf(() => victim.observe(disposing, token()))).toMatchObject({ code: 'ERR_DISPOSED' });
});

test('methods of a foreign object, and classes without new, throw', () => {
  const { Model, CancelToken } = addon();
  const infer = (receiver: unknown) => () => (Model.prototype as { infer: Loose }).infer.call(receiver);
  const unwrapped: unknown = Object.create(Model.prototype as object);
  for (const receiver of [undefined, {}, token(), unwrapped]) expect(infer(receiver)).toThrow();
  expect(() => (Model as unknown as Loose)(config)).toThrow("without 'new'");
  expect(() => (CancelToken as unknown as Loose)()).toThrow("without 'new'");
});

test('the model is as usable as before', async () => {
  const { score, map: values } = await model.score(pixels, side, token());
  expect(score).toBeGreaterThan(0);
  expect(values).toHaveLength(65536);
});
