import { callScript } from '../support/script';

interface Work {
  name: string;
  sides: string[];
}

const call = (module: string, name: string, ...args: unknown[]) =>
  callScript(`../bench/lib/${module}.mjs`, name, ...args);
const works = call('works', 'allWorks', '/made', ['/made/0.jpg']) as Work[];

test('every work that was asked for is there, once', () => {
  const networks = ['S14/224', 'S14/280', 'S14/392', 'B14/392'];
  const scores = networks.flatMap((network) =>
    [1, 4].flatMap((batch) => [1, 2].map((threads) => `score/${network}/f32/b${batch}/t${threads}`)),
  );
  expect(works.map(({ name }) => name)).toEqual([
    ...scores,
    ...networks.map((network) => `score/${network}/int8/b1/t2`),
    'train/S14/280/f32/b8/t2',
    'train-cached/S14/280/f32/b8/t2',
    'files/S14/280/f32/t2',
    'files/resize1024',
    'start/S14/224',
    'memory/S14/280',
    'memory/train/S14/280/b8',
    'metrics/83x256',
  ]);
});

test('scoring is measured against every peer and the roof', () => {
  const sides = ['dinomaly-native', 'onnxruntime', 'openvino', 'pytorch-eager', 'pytorch-compile', 'roof'];
  for (const work of works.filter(({ name }) => /^score\/.*\/f32\//.test(name))) expect(work.sides).toEqual(sides);
});

test('a glob chooses works, and one that matches none is an error', () => {
  const names = (glob: string) => (call('choose', 'chosen', works, glob) as Work[]).map(({ name }) => name);
  expect(names('score/B14/*/f32/b1/*')).toEqual(['score/B14/392/f32/b1/t1', 'score/B14/392/f32/b1/t2']);
  expect(names('**')).toHaveLength(works.length);
  expect(() => names('scores/**')).toThrow('expected a glob that matches a work');
});

test('the best instructions are told from the processor', () => {
  const isa = (flags: string) =>
    call('machine', 'isaOf', `model name\t: X\nflags\t\t: ${flags}\nflags\t\t: ${flags}\n`);
  expect(isa('sse2 avx2 fma')).toBe('AVX2');
  expect(isa('avx2 avx512f')).toBe('AVX-512');
  expect(isa('avx2 avx512f avx512_vnni amx_int8')).toBe('AMX');
  expect(isa('sse2')).toBe('none');
});

test('ticks cover the largest value in round steps', () => {
  expect(call('svg', 'ticks', 160)).toEqual([0, 50, 100, 150, 200]);
  expect(call('svg', 'ticks', 0.9)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
});

test('a plot puts its points where they belong', () => {
  const svg = call('svg', 'plot', {
    title: 'a < b',
    subtitle: '',
    x: 'x',
    y: 'y',
    points: [[100, 10]],
    straight: true,
  }) as string;
  expect(svg).toContain('a &lt; b');
  expect(svg).toContain('<circle cx="620.0" cy="50.0"');
  expect(svg).toContain('<path d="M70.0 345.0L620.0 50.0"');
});
