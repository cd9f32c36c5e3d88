import { addon } from '../../lib/addon';

test('prepareImage resizes and crops', async () => {
  const pixels = Uint8Array.from({ length: 2 * 1 * 3 }, (_, i) => (i < 3 ? 10 : 200));
  const prepared = await addon().prepareImage(pixels, 2, 1, 2, 2);
  expect(Array.from(prepared)).toEqual([10, 10, 10, 200, 200, 200, 10, 10, 10, 200, 200, 200]);
});

test('prepareMask gives 256 x 256 zeros and ones', async () => {
  const mask = await addon().prepareMask(Uint8Array.of(0, 255), 2, 1, 256, 256);
  expect(mask).toHaveLength(65536);
  expect([mask[0], mask[255]]).toEqual([0, 1]);
  expect(new Set(mask)).toEqual(new Set([0, 1]));
});

test('release leaves an array empty, whoever made it', async () => {
  const small = new Uint8Array(12);
  const large = await addon().prepareImage(small, 2, 2, 640, 640); // on memory that JavaScript does not manage
  for (const array of [small, large]) {
    addon().release(array);
    expect(array).toHaveLength(0);
    expect(array.buffer.byteLength).toBe(0);
  }
});

test('mapToOriginal undoes the crop', async () => {
  const original = await addon().mapToOriginal(new Float32Array(65536).fill(0.5), 8, 4, 8, 4);
  expect(original).toHaveLength(32);
  expect([original[0], original[8 + 3]]).toEqual([NaN, 0.5]);
});

test('renderHeatmap leaves what was cut off and colours the rest', async () => {
  const pixels = new Uint8Array(6).fill(100);
  const rendered = await addon().renderHeatmap(pixels, Float32Array.of(NaN, 1), 2, 1, 1);
  expect(Array.from(rendered.subarray(0, 3))).toEqual([100, 100, 100]);
  expect(Array.from(rendered.subarray(3))).not.toEqual([100, 100, 100]);
});

test('rankingMetrics and pixelMetrics come as numbers, NaN where undefined', async () => {
  const { auroc, ap, f1Max } = await addon().rankingMetrics(Uint8Array.of(0, 1, 0, 1), Float32Array.of(1, 2, 3, 4));
  expect(auroc).toBe(0.75);
  expect(ap).toBeCloseTo(0.5 + 0.5 * (2 / 3), 12);
  expect(f1Max).toBeCloseTo(0.8, 6);
  expect(await addon().rankingMetrics(new Uint8Array(0), new Float32Array(0))).toEqual({
    auroc: NaN,
    ap: NaN,
    f1Max: NaN,
  });
  expect(await addon().pixelMetrics(new Uint8Array(4), Float32Array.of(1, 2, 3, 4), 2, 2)).toEqual({
    auroc: NaN,
    ap: NaN,
    f1Max: NaN,
    aupro: NaN,
  });
  // A perfect map: all of the defect before any normal pixel.
  const masks = Uint8Array.from({ length: 400 }, (_, i) => (i < 40 ? 1 : 0));
  const maps = Float32Array.from({ length: 400 }, (_, i) => 1 - i / 400);
  const perfect = await addon().pixelMetrics(masks, maps, 20, 20);
  expect(perfect.aupro).toBeCloseTo(1, 6);
  expect(perfect).toEqual({ ...(await addon().rankingMetrics(masks, maps)), aupro: perfect.aupro });
});

test('many at once', async () => {
  const labels = Uint8Array.of(0, 1);
  const results = await Promise.all(
    Array.from({ length: 200 }, (_, i) => addon().rankingMetrics(labels, Float32Array.of(0, i - 100))),
  );
  expect(results.map(({ auroc }) => auroc)).toEqual(results.map((_, i) => (i === 100 ? 0.5 : i > 100 ? 1 : 0)));
});
