// An ONNX model as the bytes of a file, tensor after tensor, so that they are never all in memory.
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { DinomalyError } from '../errors';
import { type Graph, type Value, valueInfo } from './graph';
import { elementType, encode, fieldNumber, type Message } from './proto';
import type { Constant } from './tensors';

/** protobuf counts a message's bytes in 31 bits. */
const mostBytes = 2 ** 31 - 1;

/** What a file of bytes holds before it is written. */
export interface Encoded {
  byteLength: number;
  pieces: Iterable<Uint8Array>;
}

/**
 * @param model all but its graph
 * @throws ERR_INVALID_ARGUMENT for more than one file can hold
 */
export function encodeModel(
  model: Message<'ModelProto'>,
  { nodes, constants }: Graph,
  { name, inputs, outputs }: { name: string; inputs: Value[]; outputs: Value[] },
): Encoded {
  checkSize(Array.from(constants.values()).reduce((sum, { byteLength }) => sum + byteLength, 0));
  const head = encode('ModelProto', model);
  const graph = encode('GraphProto', {
    name,
    node: nodes,
    input: inputs.map(valueInfo),
    output: outputs.map(valueInfo),
  });
  const tensors = Array.from(constants, ([tensor, constant]) => encodeTensor(tensor, constant));
  const size = tensors.reduce((sum, { byteLength }) => sum + byteLength, graph.length);
  const start = prefix(fieldNumber.graph, size);
  function* pieces(): Iterable<Uint8Array> {
    yield* [head, start, graph];
    for (const tensor of tensors) yield* tensor.pieces;
  }
  const byteLength = head.length + start.length + size;
  checkSize(byteLength);
  return { byteLength, pieces: pieces() };
}

/** A tensor as one of the graph's initializers. */
function encodeTensor(name: string, { shape, type, byteLength, pieces }: Constant): Encoded {
  const head = encode('TensorProto', { name, dims: shape.map(BigInt), dataType: elementType[type] });
  const data = prefix(fieldNumber.rawData, byteLength);
  const size = head.length + data.length + byteLength;
  const start = prefix(fieldNumber.initializer, size);
  function* all(): Iterable<Uint8Array> {
    yield* [start, head, data];
    yield* pieces();
  }
  return { byteLength: start.length + size, pieces: all() };
}

/** What stands before a field of so many bytes. */
function prefix(field: number, byteLength: number): Uint8Array {
  return new BinaryWriter().tag(field, WireType.LengthDelimited).uint32(byteLength).finish();
}

function checkSize(byteLength: number): void {
  if (byteLength <= mostBytes) return;
  const found = (byteLength / 2 ** 30).toFixed(2);
  throw new DinomalyError(
    'ERR_INVALID_ARGUMENT',
    `exportOnnx: expected a network that fits one ONNX file, less than 2 GiB, found one of ${found} GiB. ` +
      'Export one with a smaller encoder.',
  );
}
