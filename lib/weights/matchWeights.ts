import type { TensorSource } from '../addon';
import { DinomalyError } from '../errors';
import { quote } from './formatError';
import { detectNaming, type Naming } from './names';
import type { WeightsFile } from './weightsFile';

/** A tensor that the network wants, by its released name. */
export interface ExpectedTensor {
  name: string;
  shape: number[];
}

/** The parts of the network, and what is saved beside it. */
const parts = ['encoder', 'bottleneck', 'decoder', 'optimizer'];

const MAX_LISTED = 10;

/**
 * Finds every expected tensor in the file. What belongs to a part of the network (`encoder.`, `bottleneck.`, `decoder.`,
 * `optimizer.`) of which nothing is expected is left aside, so an encoder may come from a whole model's file.
 *
 * @throws ERR_WEIGHTS_MISMATCH naming what is missing, surplus, misshapen or unusable
 */
export function matchWeights(file: WeightsFile, expected: ExpectedTensor[]): TensorSource[] {
  const naming = detectNaming([...file.tensors.keys(), ...file.unusable.keys()]);
  const faults: string[] = [];
  const used = new Set<string>();
  const sources: TensorSource[] = [];
  for (const { name, shape } of expected) {
    const names = naming.inFile(name);
    names.forEach((inFile) => used.add(inFile));
    const found = names.map((inFile) => checkPart(file, inFile, partShape(shape, names.length)));
    const wrong = found.filter((part) => typeof part === 'string');
    if (wrong.length > 0) faults.push(...wrong);
    else sources.push({ name, shape, parts: found.filter((part) => typeof part !== 'string') });
  }
  faults.push(...surplus(file, naming, expected, used).map((name) => `surplus: ${quote(name)}`));
  if (faults.length > 0) throw mismatch(file, naming, expected, faults);
  return sources;
}

function partShape([first = 1, ...rest]: number[], parts: number): number[] {
  return [first / parts, ...rest];
}

/** Where a part lies, or what is wrong with it. */
function checkPart(file: WeightsFile, name: string, shape: number[]): TensorSource['parts'][number] | string {
  const tensor = file.tensors.get(name);
  if (tensor === undefined) {
    const reason = file.unusable.get(name);
    return reason === undefined ? `missing: ${quote(name)}` : `unusable: ${quote(name)}: ${reason}`;
  }
  if (tensor.shape.join() !== shape.join()) {
    return `shape of ${quote(name)}: [${shape.join(', ')}] expected, found [${tensor.shape.join(', ')}]`;
  }
  const { dtype, offset, byteLength } = tensor;
  if (dtype !== 'F32' && dtype !== 'F16' && dtype !== 'BF16') {
    return `dtype of ${quote(name)}: F32, F16 or BF16 expected, found ${dtype}`;
  }
  return { path: file.path, offset, byteLength, dtype };
}

function surplus(file: WeightsFile, naming: Naming, expected: ExpectedTensor[], used: Set<string>): string[] {
  const wanted = new Set(expected.map(({ name }) => name.split('.', 1)[0]!));
  const leftAside = new Set(parts.filter((part) => !wanted.has(part)));
  return [...file.tensors.keys()].filter(
    (name) => !used.has(name) && !naming.isIgnored(name) && !leftAside.has(naming.part(name)),
  );
}

function mismatch(file: WeightsFile, naming: Naming, expected: ExpectedTensor[], faults: string[]): DinomalyError {
  const listed = faults.slice(0, MAX_LISTED);
  if (faults.length > MAX_LISTED) listed.push(`and ${faults.length - MAX_LISTED} more`);
  const message = `${file.path}, ${naming.title}, does not fit the network. ${listed.join('; ')}.`;
  return new DinomalyError('ERR_WEIGHTS_MISMATCH', message + advice(file, naming, expected));
}

function advice(file: WeightsFile, naming: Naming, expected: ExpectedTensor[]): string {
  const wantsModel = expected.some(({ name }) => name.startsWith('bottleneck.'));
  const hasModel = [...file.tensors.keys()].some((name) => naming.part(name) === 'bottleneck');
  if (wantsModel && !hasModel) {
    return ' The file holds no trained model: give it to Dinomaly.create as weights instead of loading it.';
  }
  const tokens = 'encoder.register_tokens';
  const registers = expected.find(({ name }) => name === tokens)?.shape[1] ?? 0;
  const found = file.tensors.get(naming.inFile(tokens)[0]!)?.shape[1] ?? 0;
  if (registers === found) return '';
  return ` The network has ${registers} registers, the file ${found}: choose the encoder that the file belongs to.`;
}
