import type { ExportOptions } from '../../lib';
import { createOptions, loadOptions } from '../../lib/cli/options';
import { makeProgram } from '../../lib/cli/program';
import { checkCreateOptions, checkExportOptions, checkTrainOptions } from '../../lib/options';
import { dinomaly } from './dinomaly';

const program = makeProgram(new AbortController().signal);
const commands = program.commands.map((command) => command.name());

test('there are the six commands', () => {
  expect(commands).toEqual(['demo', 'train', 'score', 'evaluate', 'export', 'inspect']);
});

test.each(commands)('%s --help shows an example and what happens without each option', async (name) => {
  const { code, stdout, stderr } = await dinomaly(name, '--help');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain(`$ dinomaly ${name}`);
  const command = program.commands.find((found) => found.name() === name)!;
  expect(command.options.length).toBeGreaterThan(0);
  for (const { long, description, defaultValue } of command.options) {
    expect(stdout).toContain(long);
    if (defaultValue === undefined) expect(description).toContain('default');
  }
});

test("train's defaults are the library's", () => {
  const train = program.commands.find((command) => command.name() === 'train')!;
  const given = train.opts<Record<string, unknown>>();
  const { checkpoint, ...defaults } = checkTrainOptions({ checkpoint: { path: 'some.checkpoint' } });
  for (const [name, value] of Object.entries({ ...defaults, every: checkpoint!.every })) {
    expect({ [name]: given[name] }).toEqual({ [name]: value });
  }
  expect(given['seed']).toBe(checkCreateOptions({}).seed);
});

test("export's defaults are the library's", () => {
  const { opset, dynamicBatch } = program.commands
    .find((command) => command.name() === 'export')!
    .opts<ExportOptions>();
  expect({ opset, dynamicBatch }).toEqual(checkExportOptions({}));
});

test('where a model runs is the same for a new one and one that is loaded', () => {
  const runtime = { device: 'cuda:1', precision: 'tf32', threads: 3, deterministic: true } as const;
  expect(loadOptions(runtime)).toMatchObject(runtime);
  expect(createOptions({ ...runtime, seed: 1 })).toMatchObject({ ...runtime, seed: 1 });
});

test.each([
  ['no command', []],
  ['an unknown command', ['paint']],
  ['an unknown option', ['train', 'data', '--speed', '3']],
  ['a missing argument', ['score']],
  ['a number that is none', ['train', 'data', '--iterations', 'many']],
  ['an empty number', ['train', 'data', '--seed', '']],
  ['a layout that is none', ['train', 'data', '--layout', 'heap']],
  ['groups that are no JSON', ['train', 'data', '--groups', '[[0,1']],
])('%s is wrong usage: exit code 2, said on stderr', async (_, args) => {
  const { code, stdout, stderr } = await dinomaly(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/Usage: dinomaly|--help tells/);
});

test('an error ends with exit code 1, its code and its message, and without a stack', async () => {
  const { code, stdout, stderr } = await dinomaly('inspect', 'missing.safetensors', '--json');
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/^ERR_FILE_NOT_FOUND: .*missing\.safetensors.*\n$/);
});
