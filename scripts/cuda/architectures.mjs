// Which GPUs a library holds code for.

// Real code; each also runs on later ones of its generation (8.0 on 8.7, 12.0 on 12.1).
const real = [70, 75, 80, 86, 89, 90, 100, 120];
// Later libraries leave it out: 11's runs under every driver that a GPU of 7.0 can have.
const only11 = [70];

/** Ascending architectures for a major version, as far as its toolkit goes; `listed` is what nvcc --list-gpu-arch prints. */
export function architecturesOf(major, listed) {
  const known = new Set([...listed.matchAll(/compute_(\d+)\b/g)].map(([, number]) => Number(number)));
  const chosen = real.filter((number) => known.has(number) && (major === 11 || !only11.includes(number)));
  if (chosen.length === 0)
    throw new Error(`nvcc --list-gpu-arch: expected some of ${real.join(', ')}, found: ${listed}`);
  return chosen;
}

/**
 * nvcc's options: real code for each architecture, and PTX of the newest for GPUs that come later. From CUDA 12 on real code
 * for 9.0 is that for 9.0a, which has instructions of its own and runs on no other GPU.
 */
export function codeOptions(major, architectures) {
  const generate = (from, ...code) => ['-gencode', `arch=compute_${from},code=[${code.join(',')}]`];
  return architectures.flatMap((number) => {
    const ptx = number === architectures.at(-1) ? [`compute_${number}`] : [];
    if (major === 11 || number !== 90) return generate(number, `sm_${number}`, ...ptx);
    return [...generate('90a', 'sm_90a'), ...(ptx.length > 0 ? generate(90, ...ptx) : [])];
  });
}
