// Measures a work: its sides take turns, round by round.
import { setTimeout as sleep } from 'node:timers/promises';
import { Side } from './side.mjs';
import { rotated } from './statistics.mjs';

/** A turn lasts as long at least, unless one call takes longer. */
const turnMilliseconds = 500;
/** The first call also fills caches; one that took longer than this tells all the same how long a call takes. */
const longMilliseconds = 2000;
/** Before a turn, for the last side's threads to fall asleep. */
const pauseMilliseconds = 30;
/** Without --rounds a work has the most while it takes less than the time, and the least in any case. */
const [leastRounds, mostRounds, workMilliseconds] = [3, 5, 60_000];

/** One measurement in the work's unit. */
export function valueOf({ unit, pictures = 1 }, { milliseconds, value }, calls) {
  if (value !== undefined) return value;
  if (unit === 'pictures/s') return (pictures * calls * 1000) / milliseconds;
  return milliseconds / calls / (unit === 's' ? 1000 : 1);
}

/** Whether another round is to follow. */
export function goesOn({ done, asked, most = mostRounds, milliseconds }) {
  if (asked !== undefined) return done < asked;
  return done < Math.min(leastRounds, most) || (done < most && milliseconds < workMilliseconds);
}

const workOf = (work, name) => ({ ...work.work, ...work.of?.[name] });

/** A side that stays for all rounds, with the number of calls that fill a turn. */
class Lasting {
  constructor(work, name) {
    this.work = work;
    this.side = new Side(name, work.work.threads);
  }

  async prepare() {
    this.version = await this.side.prepare(this.work.kind, workOf(this.work, this.side.name));
    let { milliseconds } = await this.side.run(1);
    if (milliseconds < longMilliseconds) ({ milliseconds } = await this.side.run(1));
    this.calls = Math.max(1, Math.round(turnMilliseconds / milliseconds));
  }

  async measure() {
    return valueOf(this.work, await this.side.run(this.calls), this.calls);
  }

  close() {
    return this.side.close();
  }
}

/** A side that is a new process each time. */
class Fresh {
  constructor(work, name) {
    this.work = work;
    this.name = name;
  }

  async prepare() {}

  async measure() {
    const side = new Side(this.name, this.work.work.threads);
    try {
      this.version = await side.prepare(this.work.kind, workOf(this.work, this.name));
      return valueOf(this.work, await side.run(1), 1);
    } finally {
      await side.close();
    }
  }

  async close() {}
}

/**
 * @param rounds undefined: as many as there is time for
 * @returns what each side reached, a value a round: `{ 'dinomaly-native': [...] }`; versions go into `versions`
 */
export async function measure(work, rounds, versions) {
  const start = performance.now();
  const sides = work.sides.map((name) => ({ name, values: [], side: new (work.once ? Fresh : Lasting)(work, name) }));
  try {
    for (const { side } of sides) await side.prepare();
    const state = (done) => ({ done, asked: rounds, most: work.rounds, milliseconds: performance.now() - start });
    for (let round = 0; goesOn(state(round)); round++) {
      for (const { side, values } of rotated(sides, round)) {
        await sleep(pauseMilliseconds);
        values.push(await side.measure());
      }
    }
  } finally {
    await Promise.all(sides.map(({ side }) => side.close()));
  }
  for (const { name, side } of sides) versions[name] = side.version;
  return Object.fromEntries(sides.map(({ name, values }) => [name, values]));
}
