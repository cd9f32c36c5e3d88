import { Pace } from '../../lib/training/pace';
import { permutation } from '../../lib/training/order';

describe('order of pictures', () => {
  test('is a permutation that follows from seed and epoch', () => {
    const order = permutation(100, 1, 0);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(permutation(100, 1, 0)).toEqual(order);
    expect(permutation(100, 1, 1)).not.toEqual(order);
    expect(permutation(100, 2, 0)).not.toEqual(order);
    expect(permutation(100, 0, 1)).not.toEqual(permutation(100, 1, 0));
  });

  test('puts every picture everywhere equally often', () => {
    const counts = Array.from({ length: 25 }, () => 0);
    for (let epoch = 0; epoch < 5000; epoch++) {
      permutation(5, 7, epoch).forEach((picture, place) => (counts[5 * place + picture]! += 1));
    }
    // 1000 expected, standard deviation 28
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(140);
  });
});

test('pace is that of the latest iterations', () => {
  const pace = new Pace(0);
  expect(pace.add(4, 1000)).toEqual({ imagesPerSecond: 4, secondsPerIteration: 1 });
  let now = 1000;
  for (let i = 0; i < 19; i++) pace.add(4, (now += 100));
  const { imagesPerSecond, secondsPerIteration } = pace.add(4, (now += 100));
  expect(imagesPerSecond).toBeCloseTo(40);
  expect(secondsPerIteration).toBeCloseTo(0.1);
});
