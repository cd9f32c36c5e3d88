import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';

const build = path.join(__dirname, '../../build/Release/CMakeFiles');
const vectorInstruction = /^\s+[\da-f]+:\tv\w+\s.*%[xyz]mm/;

interface Used {
  /** Functions with AVX instructions. */
  functions: number;
  /** Those of them that the linker may take for another file's: templates and inline functions. */
  shared: string[];
}

function usedBy(object: string): Used {
  const text = execFileSync('objdump', ['-dC', '--no-show-raw-insn', object], { encoding: 'utf8', maxBuffer: 2 ** 28 });
  const functions = new Set<string>();
  const shared = new Set<string>();
  let [section, name] = ['', ''];
  for (const line of text.split('\n')) {
    section = /^Disassembly of section (.*):$/.exec(line)?.[1] ?? section;
    name = /^[\da-f]+ <(.*)>:$/.exec(line)?.[1] ?? name;
    if (!vectorInstruction.test(line)) continue;
    functions.add(name);
    if (section.startsWith('.text._Z')) shared.add(name); // a section of its own, one of which is kept
  }
  return { functions: functions.size, shared: [...shared] };
}

function objectsOf(target: string): [name: string, file: string][] {
  const folder = path.join(build, `${target}.dir/native`);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.o'));
  return files.map((file) => [file.replace(/\.cpp\.o$/, ''), path.join(folder, file)]);
}

test('an older processor meets AVX in no code but what asks for it, whatever the linker shares', () => {
  const kernels = objectsOf('dinomaly_cpu').filter(([name]) => name !== 'backend/cpu/cpu_backend');
  const used = kernels.map(([name, file]) => ({ name, ...usedBy(file) }));
  expect(used.find(({ name }) => name === 'backend/cpu/product_avx512')!.functions).toBeGreaterThan(0);
  expect(used.filter(({ shared }) => shared.length > 0)).toEqual([]);
  const others = ['dinomaly_core', 'dinomaly'].flatMap(objectsOf).filter(([name]) => name !== 'image/resize_rows_avx2');
  expect(others.map(([name, file]) => ({ name, ...usedBy(file) })).filter(({ functions }) => functions > 0)).toEqual(
    [],
  );
});
