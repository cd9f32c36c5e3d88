// Measurements to rows: `{ work, side, unit, median, spread, ratio, roofShare }`.
import { geometricMean, median, spread } from './statistics.mjs';

export const ours = 'dinomaly-native';
/** A side that is measured as the others are, but is no peer: what the matrix library alone could reach. */
export const roof = 'roof';

/** How many times better `found` is than `other`: above 1 means better, whatever the unit. */
export const timesBetter = (unit, found, other) => (unit === 'pictures/s' ? found / other : other / found);

/** The best of the peers' medians; undefined without peers. */
function bestPeer(unit, medians) {
  const peers = Object.keys(medians).filter((side) => side !== ours && side !== roof);
  return peers
    .map((side) => medians[side])
    .reduce((a, b) => (a !== undefined && timesBetter(unit, a, b) > 1 ? a : b), undefined);
}

/** @param values of each side, one a round: `{ 'dinomaly-native': [3.9, 4.1, 4.0], ... }` */
export function rowsOf({ name, unit }, values) {
  const medians = Object.fromEntries(Object.entries(values).map(([side, found]) => [side, median(found)]));
  const peer = bestPeer(unit, medians);
  return Object.keys(values)
    .filter((side) => side !== roof)
    .map((side) => ({
      work: name,
      side,
      unit,
      median: medians[side],
      spread: spread(values[side]),
      ratio: peer === undefined ? null : timesBetter(unit, medians[side], peer),
      roofShare: roof in medians ? medians[side] / medians[roof] : null,
    }));
}

/** Over all rows of scoring in f32: our ratio's geometric mean; undefined without such rows. */
export function scoringRatio(rows) {
  const ratios = rows
    .filter(({ work, side }) => side === ours && /^score\/.*\/f32\//.test(work))
    .map((row) => row.ratio);
  return ratios.length === 0 ? undefined : geometricMean(ratios);
}
