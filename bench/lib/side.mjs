// One side of the benchmark: a process that answers line by line (bench/sides/protocol.mjs).
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { root } from '../../scripts/setup.mjs';
import { roofProgram, venvPython } from './install.mjs';

const bench = (file) => fileURLToPath(new URL(`../${file}`, import.meta.url));
const node = (file) => [process.execPath, bench(`sides/${file}`)];
const python = (file, ...args) => [venvPython, bench(file), ...args];

const commands = {
  'dinomaly-native': node('native.mjs'),
  'dinomaly-native-f32': node('native.mjs'),
  'scoring-alone': node('native.mjs'),
  onnxruntime: node('onnxruntime.mjs'),
  openvino: python('python/openvino_side.py'),
  'pytorch-eager': python('pytorch/side.py', 'eager'),
  'pytorch-compile': python('pytorch/side.py', 'compile'),
  pillow: python('python/pillow_side.py'),
  'scikit-learn': python('python/metrics_side.py'),
  roof: [roofProgram],
};

function environment(threads) {
  const count = String(threads);
  return { ...process.env, OMP_NUM_THREADS: count, MKL_NUM_THREADS: count, CUDA_VISIBLE_DEVICES: '' };
}

export class Side {
  #child;
  #lines;
  #ended;

  constructor(name, threads) {
    const [program, ...args] = commands[name];
    this.name = name;
    this.#child = spawn(program, args, {
      cwd: root,
      env: environment(threads),
      stdio: ['pipe', 'pipe', process.stderr],
    });
    this.#child.on('error', () => {}); // told by what follows: no answer
    this.#child.stdin.on('error', () => {});
    this.#ended = new Promise((resolve) => this.#child.on('close', (code, signal) => resolve(signal ?? code)));
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Makes it ready for a work; tells the version of what it runs. */
  async prepare(kind, work) {
    return (await this.#ask({ do: 'prepare', work: { kind, ...work } })).version;
  }

  /** `{ milliseconds }` of all calls, or `{ value }`. */
  run(calls) {
    return this.#ask({ do: 'run', calls });
  }

  async close() {
    this.#child.stdin.end();
    this.#child.kill('SIGKILL'); // it keeps nothing, and some runtimes take seconds to unload
    await this.#ended;
  }

  async #ask(request) {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value: line, done } = await this.#lines.next();
    if (done) throw new Error(`${this.name} ended (${await this.#ended}) instead of answering ${request.do}.`);
    const answer = JSON.parse(line);
    if (answer.error) throw new Error(`${this.name}: ${answer.error}`);
    return answer;
  }
}
