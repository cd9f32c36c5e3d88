// Measures a work: its sides take turns, round by round.
import { setTimeout as sleep } from 'node:timers/promises';
import { rotated } from './statistics.mjs';
import { Side } from './side.mjs';

/** A turn lasts as long at least, in milliseconds, unless one call takes longer. */
const turnMilliseconds = 700;
/** Before a turn, for the last side's threads to fall asleep. */
const pauseMilliseconds = 30;

/** One measurement in the work's unit. */
export function valueOf({ unit, pictures = 1 }, { milliseconds, value }, calls) {
  if (value !== undefined) return value;
  if (unit === 'pictures/s') return (pictures * calls * 1000) / milliseconds;
  return milliseconds / calls / (unit === 's' ? 1000 : 1);
}

const workOf = (work, name) => ({ ...work.work, ...work.of?.[name] });

/** A side that stays for all rounds, with the number of calls that fill a turn. */
class Lasting {
  constructor(work, name) {
    this.work = work;
    this.side = new Side(name, work.work.threads);
  }

  async prepare() {
    const version = await this.side.prepare(this.work.kind, workOf(this.work, this.side.name));
    const { milliseconds } = await this.side.run(1);
    this.calls = Math.max(1, Math.round(turnMilliseconds / milliseconds));
    return version;
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
      await side.prepare(this.work.kind, workOf(this.work, this.name));
      return valueOf(this.work, await side.run(1), 1);
    } finally {
      await side.close();
    }
  }

  async close() {}
}

/** @returns what each side reached, a value a round: `{ 'dinomaly-native': [...] }`; versions go into `versions` */
export async function measure(work, rounds, versions) {
  const sides = work.sides.map((name) => ({ name, side: new (work.once ? Fresh : Lasting)(work, name) }));
  const values = Object.fromEntries(work.sides.map((name) => [name, []]));
  try {
    for (const { name, side } of sides) {
      const version = await side.prepare();
      if (version !== undefined) versions[name] = version;
    }
    for (let round = 0; round < Math.min(rounds, work.rounds ?? rounds); round++) {
      for (const { name, side } of rotated(sides, round)) {
        await sleep(pauseMilliseconds);
        values[name].push(await side.measure());
      }
    }
  } finally {
    await Promise.all(sides.map(({ side }) => side.close()));
  }
  return values;
}
