// The messages of ONNX's files that an export needs, by their field numbers, and their bytes.
import { create, createFileRegistry, type DescMessage, toBinary } from '@bufbuild/protobuf';
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt';

/** Each field: its number, its type (of a message: the name), and whether it is repeated. */
const messages = {
  ModelProto: {
    irVersion: [1, 'int64'],
    producerName: [2, 'string'],
    producerVersion: [3, 'string'],
    docString: [6, 'string'],
    graph: [7, 'GraphProto'],
    opsetImport: [8, 'OperatorSetIdProto', 'repeated'],
    metadataProps: [14, 'StringStringEntryProto', 'repeated'],
  },
  OperatorSetIdProto: { domain: [1, 'string'], version: [2, 'int64'] },
  StringStringEntryProto: { key: [1, 'string'], value: [2, 'string'] },
  GraphProto: {
    node: [1, 'NodeProto', 'repeated'],
    name: [2, 'string'],
    initializer: [5, 'TensorProto', 'repeated'],
    input: [11, 'ValueInfoProto', 'repeated'],
    output: [12, 'ValueInfoProto', 'repeated'],
  },
  NodeProto: {
    input: [1, 'string', 'repeated'],
    output: [2, 'string', 'repeated'],
    name: [3, 'string'],
    opType: [4, 'string'],
    attribute: [5, 'AttributeProto', 'repeated'],
  },
  AttributeProto: {
    name: [1, 'string'],
    f: [2, 'float'],
    i: [3, 'int64'],
    ints: [8, 'int64', 'repeated'],
    type: [20, 'int32'],
  },
  TensorProto: {
    dims: [1, 'int64', 'repeated'],
    dataType: [2, 'int32'],
    name: [8, 'string'],
    rawData: [9, 'bytes'],
  },
  ValueInfoProto: { name: [1, 'string'], type: [2, 'TypeProto'] },
  TypeProto: { tensorType: [1, 'TensorTypeProto'] },
  TensorTypeProto: { elemType: [1, 'int32'], shape: [2, 'TensorShapeProto'] },
  TensorShapeProto: { dim: [1, 'DimensionProto', 'repeated'] },
  DimensionProto: { dimValue: [1, 'int64'], dimParam: [2, 'string'] },
} as const;

type Messages = typeof messages;
type MessageName = keyof Messages;

interface Scalars {
  int32: number;
  int64: bigint;
  float: number;
  string: string;
  bytes: Uint8Array;
}

type ValueOf<T> = T extends keyof Scalars ? Scalars[T] : T extends MessageName ? Message<T> : never;

/** The fields of a message; what is left out is not written. */
export type Message<N extends MessageName> = {
  [F in keyof Messages[N]]?: Messages[N][F] extends readonly [number, infer T, 'repeated']
    ? ValueOf<T>[]
    : Messages[N][F] extends readonly [number, infer T]
      ? ValueOf<T>
      : never;
};

/** Numbers that stand for types, of attributes and of tensors' elements. */
export const attributeType = { float: 1, int: 2, ints: 7 } as const;
export const elementType = { float32: 1, int64: 7 } as const;

/** Field numbers of what is written piece by piece. */
export const fieldNumber = {
  graph: messages.ModelProto.graph[0],
  initializer: messages.GraphProto.initializer[0],
  rawData: messages.TensorProto.rawData[0],
};

const scalarTypes: Record<keyof Scalars, Type> = {
  int32: Type.INT32,
  int64: Type.INT64,
  float: Type.FLOAT,
  string: Type.STRING,
  bytes: Type.BYTES,
};

type Field = readonly [number: number, type: keyof Scalars | MessageName, repeated?: 'repeated'];

function fieldOf(name: string, [number, type, repeated]: Field) {
  const label = repeated ? Label.REPEATED : Label.OPTIONAL;
  return type in scalarTypes
    ? { name, number, label, type: scalarTypes[type as keyof Scalars] }
    : { name, number, label, type: Type.MESSAGE, typeName: `.onnx.${type}` };
}

const registry = createFileRegistry(
  create(FileDescriptorProtoSchema, {
    name: 'onnx.proto',
    package: 'onnx',
    syntax: 'proto2',
    messageType: Object.entries(messages).map(([name, fields]) => ({
      name,
      field: Object.entries(fields).map(([field, what]) => fieldOf(field, what as Field)),
    })),
  }),
  () => undefined,
);

/** A message's bytes. */
export function encode<N extends MessageName>(name: N, message: Message<N>): Uint8Array {
  const type = registry.getMessage(`onnx.${name}`) as DescMessage;
  return toBinary(type, create(type, message));
}
