// CUDA toolkits in a cache folder, used from there without being installed: 13 from PyPI, 12 and 11 from Debian.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { output } from '../setup.mjs';
import { unpackDebian } from './debian.mjs';
import { unpackWheels } from './wheels.mjs';

const debianBin = 'usr/lib/nvidia-cuda-toolkit/bin';
const debianLicence = 'usr/share/doc/nvidia-cuda-toolkit/copyright';
const wheelRoot = 'nvidia/cu13';

// `fetch` fills an empty folder; `nvcc`, `licence` and `options` lie in it. A change of `from` or `release` makes a new folder.
const toolkits = {
  11: {
    release: '11.8',
    from: {
      suite: 'bookworm',
      packages: [
        'nvidia-cuda-toolkit',
        'nvidia-cuda-dev',
        // The newest compiler that 11.8 takes.
        'g++-11',
        'gcc-11',
        'libgcc-11-dev',
        'libstdc++-11-dev',
      ],
    },
    fetch: unpackDebian,
    nvcc: `${debianBin}/nvcc`,
    licence: debianLicence,
    options: (folder) => ['-ccbin', path.join(folder, 'usr/bin/g++-11')],
  },
  12: {
    release: '12.4',
    from: { suite: 'trixie', packages: ['nvidia-cuda-toolkit', 'nvidia-cuda-dev', 'libcu++-dev'] },
    fetch: unpackDebian,
    nvcc: `${debianBin}/nvcc`,
    licence: debianLicence,
    options: () => ['-ccbin', systemCompiler()],
  },
  13: {
    release: '13.0',
    from: {
      wheels: [
        'nvidia-cuda-nvcc==13.0.88',
        'nvidia-nvvm==13.0.88',
        'nvidia-cuda-crt==13.0.88',
        'nvidia-cuda-runtime==13.0.96',
        'nvidia-cuda-cccl==13.0.85',
        // For cuBLASLt's headers, the oldest of 13, since the library is whichever the user has.
        'nvidia-cublas==13.0.0.19',
      ],
      leftOut: [`${wheelRoot}/lib/libcublas.so.13`, `${wheelRoot}/lib/libcublasLt.so.13`],
    },
    fetch: unpackWheels,
    nvcc: `${wheelRoot}/bin/nvcc`,
    licence: 'nvidia_cuda_runtime-13.0.96.dist-info/licenses/License.txt',
    options: (folder) => [
      ...['-ccbin', systemCompiler()],
      `-I${path.join(folder, wheelRoot, 'include')}`,
      `-L${path.join(folder, wheelRoot, 'lib')}`,
    ],
  },
};

export const majors = Object.keys(toolkits).map(Number);

/** The majors that `--cuda` names: '11,13' is [11, 13]. */
export function parseMajors(text) {
  const asked = text.split(',').map(Number);
  if (!asked.every((major) => majors.includes(major))) {
    throw new Error(`--cuda: expected some of ${majors.join(',')}, found '${text}'. Example: --cuda 12,13`);
  }
  return [...new Set(asked)];
}

/** Debian packages that fetching these toolkits needs. */
export const packagesToFetch = (asked) => (asked.includes(13) ? ['python3-pip'] : []);

// nvcc wants a full path.
const systemCompiler = () => output('sh', ['-c', 'command -v g++']).trim();

function cacheFolder() {
  const folder = process.env.DINOMALY_CUDA_CACHE || path.join(os.homedir(), '.cache/dinomaly-native/cuda');
  mkdirSync(folder, { recursive: true });
  return path.resolve(folder);
}

function checkRelease(nvcc, release) {
  const [, found] = /release ([\d.]+)/.exec(output(nvcc, ['--version'])) ?? [];
  if (found !== release) throw new Error(`expected nvcc of CUDA ${release}, found ${found ?? 'no version'}.`);
}

/** Fetches into a folder of another name, so that a folder of the final name is whole. */
function fetchInto(folder, { release, from, fetch, nvcc }) {
  const temporary = mkdtempSync(path.join(path.dirname(folder), 'incomplete-'));
  try {
    const unpacked = path.join(temporary, 'toolkit');
    mkdirSync(unpacked);
    fetch(unpacked, from, temporary);
    checkRelease(path.join(unpacked, nvcc), release);
    renameSync(unpacked, folder);
  } catch (cause) {
    // Another run may have been faster.
    if (existsSync(folder)) return;
    throw new Error(
      `CUDA ${release} could not be fetched into ${folder}: ${cause.message} ` +
        'Another folder can be named in DINOMALY_CUDA_CACHE; up to 3 GB are needed while unpacking.',
      { cause },
    );
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** The toolkit of a major version, fetched if the cache lacks it: nvcc, the options that each call of it needs, its licence. */
export function ensureToolkit(major) {
  const toolkit = toolkits[major];
  const recipe = createHash('sha256').update(JSON.stringify(toolkit.from)).digest('hex').slice(0, 8);
  const folder = path.join(cacheFolder(), `${toolkit.release}-${recipe}`);
  if (!existsSync(folder)) {
    console.error(`Fetching CUDA ${toolkit.release} into ${folder}`);
    fetchInto(folder, toolkit);
  }
  return {
    release: toolkit.release,
    nvcc: path.join(folder, toolkit.nvcc),
    options: toolkit.options(folder),
    licence: path.join(folder, toolkit.licence),
  };
}
