/** Operator sets that an export may ask for; between them no operator that it is made of has changed its meaning. */
export const oldestOpset = 17;
export const newestOpset = 26;

/** The oldest version of the file's format that has each of them. */
const formats = [8, 8, 9, 9, 10, 10, 11, 12, 13, 13];

export function formatOf(opset: number): number {
  return formats[opset - oldestOpset]!;
}
