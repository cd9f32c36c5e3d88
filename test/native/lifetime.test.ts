import { spawn } from 'node:child_process';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { prelude } from './support';

interface Ending {
  code: number | null;
  signal: string | null;
  output: string;
  errors: string;
}

/** Runs `body`, the inside of an async function, in a Node process of its own. */
function run(body: string, start = prelude): Promise<Ending> {
  const script = `${start}; (async () => { ${body} })();`;
  const child = spawn(process.execPath, ['--expose-gc', '-e', script], { cwd: path.join(__dirname, '../..') });
  let output = '';
  let errors = '';
  child.stdout.on('data', (text: Buffer) => (output += text.toString()));
  child.stderr.on('data', (text: Buffer) => (errors += text.toString()));
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, output, errors })));
}

const clean = (output = '') => ({ code: 0, signal: null, output, errors: '' });

test('the process exits by itself with an idle model that was not disposed of', async () => {
  expect(
    await run(`
    const model = await openModel();
    await model.score(picture(0), side, token());
    console.log('done');
  `),
  ).toEqual(clean('done\n'));
});

test('a pending job keeps the process alive, its model unreachable or not', async () => {
  expect(
    await run(`
    const start = async () => {
      const model = new addon.Model(slowConfig);
      void model.initialise('all', 1);
      return model.score(picture(0, slowSide), slowSide, token());
    };
    const score = start();
    score.then(({ map }) => console.log(map.length));
    await new Promise(setImmediate);
    gc();
  `),
  ).toEqual(clean('65536\n'));
});

test('dispose that nobody waits for ends before the process', async () => {
  expect(
    await run(`
    const model = await openModel();
    process.on('exit', () => console.log('exit'));
    void model.dispose().then(() => console.log('disposed'));
  `),
  ).toEqual(clean('disposed\nexit\n'));
});

test('models that are garbage give back their threads', async () => {
  const { errors, output, code } = await run(`
    const { readdirSync } = require('node:fs');
    const threads = () => readdirSync('/proc/self/task').length;
    const breathe = () => new Promise((resolve) => setTimeout(resolve, 20));
    const before = threads();
    for (let i = 0; i < 20; i++) await (await openModel()).score(picture(0), side, token());
    for (let i = 0; i < 20 && threads() > before; i++) {
      gc();
      await breathe();
    }
    console.log(threads() - before);
  `);
  expect({ errors, code }).toEqual({ errors: '', code: 0 });
  expect(Number(output)).toBeLessThanOrEqual(0);
});

test('200 models, made and disposed of, leave no thread and no memory', async () => {
  const { errors, output, code } = await run(`
    const { readdirSync } = require('node:fs');
    const opened = async () => {
      const model = await openModel();
      await model.score(picture(0), side, token());
      return model;
    };
    const measure = () => {
      gc();
      return { memory: process.memoryUsage().rss, threads: readdirSync('/proc/self/task').length };
    };
    for (let i = 0; i < 100; i++) await (await opened()).dispose();
    const before = measure();
    for (let i = 0; i < 200; i++) await (await opened()).dispose();
    const after = measure();
    const alive = [];
    for (let i = 0; i < 100; i++) alive.push(await opened());
    const { memory, threads } = measure();
    console.log(JSON.stringify({ before, after, alive: { memory, threads } }));
  `);
  expect({ errors, code }).toEqual({ errors: '', code: 0 });
  type Measure = { memory: number; threads: number };
  const { before, after, alive } = JSON.parse(output) as Record<'before' | 'after' | 'alive', Measure>;
  expect(after.threads).toBe(before.threads);
  expect(alive.threads).toBeGreaterThanOrEqual(after.threads + 100); // so threads are counted rightly
  expect(after.memory - before.memory).toBeLessThan(0.2 * 2 * (alive.memory - after.memory)); // a fifth of 200 models
});

test('process.exit while models compute', async () => {
  // A compute thread that outlives the machine code that oneDNN frees at exit crashes some of these processes.
  for (let i = 0; i < 12; i++) {
    const ending = await run(`
      for (const model of [await openModel(slowConfig), await openModel(slowConfig)]) {
        for (let i = 0; i < 100; i++) void model.score(picture(0), side, token());
        process.on('unhandledRejection', () => {});
      }
      setTimeout(() => process.exit(7), ${20 * i});
    `);
    expect(ending).toEqual({ ...clean(), code: 7 });
  }
});

test('a model is disposed of when the process is about to exit', async () => {
  expect(
    await run(`
      const model = await openModel();
      process.on('exit', () => {
        for (const call of [() => model.parameters(), () => new addon.Model(config)]) {
          try { call(); } catch (error) { console.log(error.code); }
        }
        void model.score(picture(0), side, token()).catch(() => {});
        void model.dispose();
      });
    `),
  ).toEqual(clean('ERR_DISPOSED\nERR_DISPOSED\n'));
});

test('an uncaught error while a model computes ends the process as it would without', async () => {
  const { code, signal, errors } = await run(`
    const model = await openModel(slowConfig);
    const data = new Float32Array(32 * 3 * slowSide * slowSide);
    void model.infer(data, [32, 3, slowSide, slowSide], token());
    setTimeout(() => { throw new Error('mine'); }, 100);
  `);
  expect({ code, signal }).toEqual({ code: 1, signal: null });
  expect(errors).toMatch(/Error: mine/);
});

test('memory that runs out is an error, and the model stays usable', async () => {
  expect(
    await run(`
      const { execFileSync } = require('node:child_process');
      const { readFileSync } = require('node:fs');
      const model = await openModel();
      await model.score(picture(0), side, token());
      // Copies of the pixels fit into the address space that is left; the patches, and a copy of the tensor, do not.
      const large = 8400;
      const pixels = new Uint8Array(large * large * 3);
      const tensor = new Float32Array(3 * large * large);
      const pages = Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[0]);
      execFileSync('prlimit', ['--pid', String(process.pid), '--as=' + (pages * 4096 + 600 * 2 ** 20)]);
      const report = (error) => console.log(error.code);
      await model.score(pixels, large, token()).catch(report); // on the compute thread
      try {
        void model.infer(tensor, [1, 3, large, large], token()); // already when it is copied
      } catch (error) {
        report(error);
      }
      console.log((await model.score(picture(0), side, token())).map.length);
    `),
  ).toEqual(clean('ERR_OUT_OF_MEMORY\nERR_OUT_OF_MEMORY\n65536\n'));
});

test('several workers at once, each with models of its own', async () => {
  const work = () =>
    new Promise<number>((resolve, reject) => {
      const script = `${prelude}; (async () => {
        const model = await openModel();
        const { score } = await model.score(picture(1), side, token());
        require('node:worker_threads').parentPort.postMessage(score);
      })();`;
      const worker = new Worker(script, { eval: true });
      let score = NaN;
      worker.on('message', (value: number) => (score = value));
      worker.on('error', reject);
      worker.on('exit', (code) => (code === 0 ? resolve(score) : reject(new Error(`exit code ${code}`))));
    });
  const scores = await Promise.all([work(), work(), work()]);
  expect(scores[0]).toBeGreaterThan(0);
  expect(new Set(scores).size).toBe(1);
});

test('workers that are terminated while their models compute', async () => {
  // In a process that loads the addon in workers alone, so that it is unloaded with the last of them.
  expect(
    await run(
      `
    const { Worker } = require('node:worker_threads');
    const script = ${JSON.stringify(prelude)} + \`(async () => {
      const model = await openModel(slowConfig);
      const forgotten = await openModel();
      require('node:worker_threads').parentPort.postMessage('started');
      const data = new Float32Array(32 * 3 * slowSide * slowSide);
      await model.infer(data, [32, 3, slowSide, slowSide], token());
    })()\`;
    for (let round = 0; round < 5; round++) {
      const workers = [0, 1].map(() => new Worker(script, { eval: true }));
      await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))));
      await new Promise((resolve) => setTimeout(resolve, 20 * round));
      await Promise.all(workers.map((worker) => worker.terminate()));
    }
    console.log('alive');
  `,
      '',
    ),
  ).toEqual(clean('alive\n'));
});
