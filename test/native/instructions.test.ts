import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';

const build = path.join(__dirname, '../../build/Release/CMakeFiles');
const usesAvx = /^\s+[\da-f]+:\tv\w+\s.*%[xyz]mm/;

interface CompiledFile {
  name: string;
  /** Functions with AVX instructions. */
  avx: string[];
  /** Templates and inline functions: of all files that have one, the linker takes any. */
  shared: string[];
}

function compiledFile(name: string, object: string): CompiledFile {
  const text = execFileSync('objdump', ['-dC', '--no-show-raw-insn', object], { encoding: 'utf8', maxBuffer: 2 ** 28 });
  const avx = new Set<string>();
  const shared = new Set<string>();
  let [section, current] = ['', ''];
  for (const line of text.split('\n')) {
    section = /^Disassembly of section (.*):$/.exec(line)?.[1] ?? section;
    current = /^[\da-f]+ <(.*)>:$/.exec(line)?.[1] ?? current;
    if (section.startsWith('.text._Z')) shared.add(current); // a section of its own, of which one is kept
    if (usesAvx.test(line)) avx.add(current);
  }
  return { name, avx: [...avx], shared: [...shared] };
}

function filesOf(target: string): CompiledFile[] {
  const folder = path.join(build, `${target}.dir/native`);
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.o'))
    .map((file) => compiledFile(file.replace(/\.cpp\.o$/, ''), path.join(folder, file)));
}

test('an older processor meets AVX in no code but what asks for it, whatever the linker shares', () => {
  const files = ['dinomaly', 'dinomaly_core', 'dinomaly_cpu'].flatMap(filesOf);
  const isKernel = ({ name }: CompiledFile) => name.startsWith('backend/cpu/') && name !== 'backend/cpu/cpu_backend';
  const kernels = files.filter(isKernel);
  const others = files.filter((file) => !isKernel(file));

  for (const family of ['product', 'attention']) {
    expect(kernels.find(({ name }) => name === `backend/cpu/${family}_avx512`)!.avx).not.toEqual([]);
  }
  const needAvx = others.filter(({ avx }) => avx.length > 0).map(({ name }) => name);
  expect(needAvx).toEqual(['image/resize_rows_avx2']); // which asks before it calls them
  const inOthers = new Set(others.flatMap(({ shared }) => shared));
  expect(inOthers.size).toBeGreaterThan(0);
  const taken = kernels.map(({ name, avx }) => ({ name, avx: avx.filter((each) => inOthers.has(each)) }));
  expect(taken.filter(({ avx }) => avx.length > 0)).toEqual([]);
});
