// A training run in a process of its own, for tests to kill. Argument: JSON of the run. Prints each finished iteration.
import { Dinomaly } from '../../dist/index.mjs';

const { create, train, images, checkpoint, output } = JSON.parse(process.argv[2]);

/** The same batches in every process. */
function* batches() {
  let state = 1;
  for (;;) {
    const data = Float32Array.from({ length: 2 * 3 * 56 * 56 }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 30 - 2;
    });
    yield { data, shape: [2, 3, 56, 56] };
  }
}

const model = await Dinomaly.create(create);
const data = images ? { train: images.map((image) => ({ image, class: 'stripes' })) } : batches();
await model.train(data, {
  ...train,
  ...(checkpoint && { checkpoint, resume: true }),
  onProgress: ({ iteration }) => console.log(iteration),
});
await model.save(output);
