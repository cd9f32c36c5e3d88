// CUDA from Debian's packages, which are unpacked and not installed, with apt's lists and cache in a folder of their own:
// the system's stay as they are.
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { output, run } from '../setup.mjs';

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
// The rest of nvidia-cuda-dev is static libraries, four times as large.
const fromDev = ['./usr/include/*', './usr/lib/*/libcudart*', './usr/lib/*/libcudadevrt*', './usr/lib/*/stubs/*'];

// Relative to nvcc, since the package's own names /usr. nvcc's notation.
const profile = `TOP = $(_HERE_)/../../..
NVVMIR_LIBRARY_DIR = $(_HERE_)/../libdevice
PATH += $(_HERE_):$(TOP)/bin:
INCLUDES += "-I$(TOP)/include" $(_SPACE_)
LIBRARIES =+ $(_SPACE_) "-L$(TOP)/lib/x86_64-linux-gnu"
`;

/** The mirror that this system takes Debian's `codename` from; `targets` are lines of `address codename component`. */
export function mirrorOf(targets, codename) {
  const line = targets.split('\n').find((text) => text.endsWith(` ${codename} main`));
  if (!line) {
    throw new Error(
      `CUDA's packages are Debian's, but none of apt's sources here has Debian's own suite '${codename || 'unknown'}', ` +
        'component main. Build on Debian 12, or in a container of it.',
    );
  }
  return line.split(' ')[0];
}

function systemMirror() {
  const [, codename = ''] = /^VERSION_CODENAME=(.*)$/m.exec(readFileSync('/etc/os-release', 'utf8')) ?? [];
  const format = ['--format', '$(REPO_URI) $(RELEASE) $(COMPONENT)'];
  return mirrorOf(output('apt-get', ['indextargets', ...format, 'Created-By: Packages']), codename);
}

function download(packages, suite, temporary) {
  const folders = Object.fromEntries(['lists', 'cache', 'packages'].map((name) => [name, path.join(temporary, name)]));
  for (const folder of Object.values(folders)) mkdirSync(path.join(folder, 'partial'), { recursive: true });
  const sources = path.join(temporary, 'sources.list');
  writeFileSync(sources, `deb [arch=amd64 signed-by=${keyring}] ${systemMirror()} ${suite} main non-free\n`);
  const settings = {
    'Dir::Etc::sourcelist': sources,
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'Dir::State::lists': folders.lists,
    'Dir::Cache': folders.cache,
    'Acquire::Languages': 'none',
    'Acquire::Retries': '3',
    // Under root apt would switch to a user who cannot see a folder in root's home.
    'APT::Sandbox::User': '',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  run('apt-get', [...options, '--quiet=2', 'update']);
  run('apt-get', [...options, '--quiet=2', 'download', ...packages], { cwd: folders.packages });
  return readdirSync(folders.packages)
    .filter((name) => name.endsWith('.deb'))
    .map((name) => path.join(folders.packages, name));
}

function unpack(file, folder) {
  if (!path.basename(file).startsWith('nvidia-cuda-dev_')) return run('dpkg-deb', ['--extract', file, folder]);
  const tar = 'dpkg-deb --fsys-tarfile "$0" | tar --extract --directory "$1" --wildcards "${@:2}"';
  run('bash', ['-o', 'pipefail', '-c', tar, file, folder, ...fromDev]);
}

/** Unpacks `packages` of Debian's `suite` into `folder`. */
export function unpackDebian(folder, { suite, packages }, temporary) {
  for (const file of download(packages, suite, temporary)) {
    unpack(file, folder);
    rmSync(file);
  }
  // The package's is a link to /etc.
  const profileFile = path.join(folder, 'usr/lib/nvidia-cuda-toolkit/bin/nvcc.profile');
  rmSync(profileFile);
  writeFileSync(profileFile, profile);
  // libstdc++-11-dev's own link leads out of the folder to a file that is not there; static libstdc++ would be taken.
  if (packages.includes('g++-11')) {
    const libraries = 'usr/lib/x86_64-linux-gnu';
    symlinkSync(`/${libraries}/libstdc++.so.6`, path.join(folder, libraries, 'libstdc++.so.6'));
  }
}
