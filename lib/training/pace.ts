const window = 20;

/** How fast a run goes: over its latest iterations, because the first ones also compute features that are then kept. */
export class Pace {
  readonly #marks: { at: number; images: number }[];

  constructor(now: number) {
    this.#marks = [{ at: now, images: 0 }];
  }

  /** @param now milliseconds */
  add(images: number, now: number): { imagesPerSecond: number; secondsPerIteration: number } {
    this.#marks.push({ at: now, images });
    if (this.#marks.length > window + 1) this.#marks.shift();
    const [first, ...rest] = this.#marks;
    const seconds = Math.max(now - first!.at, 1e-3) / 1000;
    const sum = rest.reduce((total, mark) => total + mark.images, 0);
    return { imagesPerSecond: sum / seconds, secondsPerIteration: seconds / rest.length };
  }
}
