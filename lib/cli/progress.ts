import { SingleBar } from 'cli-progress';

/** Milliseconds between the lines that stand for the bar where stderr is no terminal. */
const lineInterval = 5000;

/** Says how far a command is; `note` says more about it. */
export type ShowProgress = (done: number, total: number, note?: string) => void;

/** Runs `work` with a bar on stderr if that is a terminal, else with a line every few seconds. */
export function withProgress<T>(title: string, work: (show: ShowProgress) => Promise<T>): Promise<T> {
  return process.stderr.isTTY ? withBar(title, work) : work(makeLines(title));
}

async function withBar<T>(title: string, work: (show: ShowProgress) => Promise<T>): Promise<T> {
  const bar = new SingleBar({
    stream: process.stderr,
    format: `${title} [{bar}] {value}/{total}{note}`,
    barsize: 24,
    linewrap: true, // leaves the terminal's own setting alone
  });
  let started = false;
  try {
    return await work((done, total, note) => {
      const payload = { note: suffix(note) };
      if (started) bar.update(done, payload);
      else bar.start(total, done, payload);
      started = true;
    });
  } finally {
    bar.stop();
  }
}

function makeLines(title: string): ShowProgress {
  let next = 0;
  return (done, total, note) => {
    if (done < total && performance.now() < next) return;
    next = performance.now() + lineInterval;
    console.error(`${title} ${done}/${total}${suffix(note)}`);
  };
}

function suffix(note: string | undefined): string {
  return note === undefined ? '' : `  ${note}`;
}
