// Cost against work, for plots: each answers `{ points: [[work, cost], ...] }`.
import { picture } from './inputs.mjs';

const seconds = async (call) => {
  const start = performance.now();
  await call();
  return (performance.now() - start) / 1e3;
};

/** @param create makes the work's network */
export function costs(create) {
  /** Seconds to score so many pictures. */
  const scoring = async (work) => {
    const model = await create(work);
    const one = picture(work.size);
    await model.score(one);
    return async () => {
      const points = [];
      for (const count of work.counts) {
        points.push([count, await seconds(() => model.score(new Array(count).fill(one)))]);
      }
      return { points };
    };
  };

  /** Seconds to train for so many iterations, of a batch that is encoded each time. */
  const training = async (work) => {
    const model = await create(work);
    const data = {
      data: new Float32Array(work.batch * 3 * work.size ** 2).fill(0.5),
      shape: [work.batch, 3, work.size, work.size],
    };
    const train = (iterations) => model.train(new Array(iterations).fill(data), { iterations });
    await train(1);
    return async () => {
      const points = [];
      for (const count of work.counts) points.push([count, await seconds(() => train(count))]);
      return { points };
    };
  };

  /** Resident megabytes of this process after so many pictures. */
  const memory = async (work) => {
    const model = await create(work);
    const one = picture(work.size);
    return async () => {
      const points = [];
      for (let done = 0; done < work.pictures;) {
        for (const end = done + work.every; done < end; done += work.batch) {
          await model.score(new Array(work.batch).fill(one));
        }
        points.push([done, process.memoryUsage.rss() / 1e6]);
      }
      return { points };
    };
  };

  return { 'cost-scoring': scoring, 'cost-training': training, 'cost-memory': memory };
}
