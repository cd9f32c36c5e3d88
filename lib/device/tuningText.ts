// The text of native/backend/cuda/product_choices.h: a line with the format's version, then one for each product, whose
// last field says what was chosen for the others.

const product = /^[^\t]+(\t[^\t]+){14}$/;

/**
 * All lines of both; of two for the same product `ours`. Lines of `theirs` that do not fit into `mostBytes` are dropped,
 * and all of them where it is damaged or of another version.
 */
export function mergeTunings(ours: string, theirs: string, mostBytes: number): string {
  const [first = '', ...lines] = linesOf(ours);
  const [theirFirst, ...theirLines] = linesOf(theirs);
  const products = new Map(lines.map((line) => [productOf(line), line]));
  let bytes = ours.length;
  const theyFit = theirFirst === first && theirLines.every((line) => product.test(line));
  for (const line of theyFit ? theirLines : []) {
    if (products.has(productOf(line)) || bytes + line.length + 1 > mostBytes) continue;
    bytes += line.length + 1;
    products.set(productOf(line), line);
  }
  return [first, ...[...products.values()].sort()].map((line) => `${line}\n`).join('');
}

function linesOf(text: string): string[] {
  return text.split('\n').slice(0, -1); // what does not end was cut off
}

function productOf(line: string): string {
  return line.slice(0, line.lastIndexOf('\t'));
}
