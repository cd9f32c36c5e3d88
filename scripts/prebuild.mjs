// npm run prebuild: prebuilds/<platform>-<arch> with the addon, the shared libraries that it needs and their licences.
// With --cuda 11,12,13, or some of these, prebuilds/dinomaly-cuda<major>.so too.
import { copyFileSync, mkdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { compileTypeScript } from './compile.mjs';
import { buildCudaLibrary } from './cuda/build.mjs';
import { packagesToFetch, parseMajors } from './cuda/toolkits.mjs';
import { buildPackages, output, root, runModule, script, setup } from './setup.mjs';

const folder = path.join(root, 'prebuilds', `${process.platform}-${process.arch}`);
const addon = path.join(folder, 'dinomaly-native.node');
// Node itself needs these, so they are on every machine that runs it.
const fromSystem = /^(ld-linux|linux-vdso|lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s)\.so)/;

/** The shared libraries that must travel along: `{ name, file }`, libdnnl.so.2 and where it lies here. */
function librariesOf(file) {
  return output('ldd', [file])
    .split('\n')
    .flatMap((line) => {
      const [, name, found] = /^\s*(\S+) => (.+?)(?: \(0x|$)/.exec(line) ?? [];
      if (name === undefined || fromSystem.test(name)) return [];
      if (!path.isAbsolute(found)) throw new Error(`${file} needs ${name}, which is not there.`);
      return [{ name, file: found }];
    });
}

/** Copies the copyright file of the Debian package that `file` comes from, and the licence texts that it refers to. */
function copyLicences(file) {
  const [owner] = output('dpkg-query', ['-S', realpathSync(file)]).split(':');
  const licences = path.join(folder, 'licenses');
  mkdirSync(licences, { recursive: true });
  const copyright = `/usr/share/doc/${owner}/copyright`;
  copyFileSync(copyright, path.join(licences, `${owner}.txt`));
  for (const [text] of readFileSync(copyright, 'utf8').matchAll(/\/usr\/share\/common-licenses\/[\w.-]*\w/g)) {
    copyFileSync(text, path.join(licences, `${path.basename(text)}.txt`));
  }
}

await script(async () => {
  const { cuda } = parseArgs({ options: { cuda: { type: 'string' } } }).values;
  const majors = cuda === undefined ? [] : parseMajors(cuda);
  setup([...buildPackages, ...packagesToFetch(majors)]);
  compileTypeScript();
  rmSync(folder, { recursive: true, force: true });
  const nodeGyp = path.join(root, 'scripts/node-gyp.mjs');
  runModule('prebuildify/bin.js', ['--napi', '--strip'], { env: { ...process.env, PREBUILD_NODE_GYP: nodeGyp } });
  for (const { name, file } of librariesOf(addon)) {
    copyFileSync(file, path.join(folder, name));
    copyLicences(file);
  }
  console.error(`Written: ${path.relative(root, folder)}`);
  for (const major of majors) await buildCudaLibrary(major);
});
