// What becomes of a side's measurements.

/** The value below which the share `q` of the values lies; linear in between, as numpy.quantile. */
export function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const below = sorted[Math.floor(at)];
  return below + (at - Math.floor(at)) * (sorted[Math.ceil(at)] - below);
}

export const median = (values) => quantile(values, 0.5);

/** Interquartile range over median. */
export const spread = (values) => (quantile(values, 0.75) - quantile(values, 0.25)) / median(values);

export const geometricMean = (values) => Math.exp(values.reduce((sum, x) => sum + Math.log(x), 0) / values.length);

/** The sides in another order each round, each as often first as the others. */
export function rotated(sides, round) {
  const first = round % sides.length;
  return [...sides.slice(first), ...sides.slice(0, first)];
}
