// A graph of operators under construction.
import { attributeType, elementType, type Message } from './proto';
import { type Constant, floats, integers } from './tensors';

/** An operator's attribute: a float, a whole number or several. */
export type Attribute = { f: number } | { i: number } | { ints: number[] };

/** A graph's input or output, float32: its name, and its shape with a name for what only the caller knows. */
export interface Value {
  name: string;
  shape: (number | string)[];
}

export class Graph {
  readonly nodes: Message<'NodeProto'>[] = [];
  readonly constants = new Map<string, Constant>();
  readonly #names = new Set<string>();
  #scope = 'network';

  /** Names the operators that `build` adds after a layer, as in `encoder.blocks.0.norm1/LayerNormalization`. */
  within<T>(layer: string, build: () => T): T {
    const outer = this.#scope;
    this.#scope = layer;
    try {
      return build();
    } finally {
      this.#scope = outer;
    }
  }

  /** Adds an operator with one output. @returns the output's name */
  add(operator: string, inputs: string[], attributes: Record<string, Attribute> = {}, output?: string): string {
    const name = this.#unused(`${this.#scope}/${operator}`);
    const result = output ?? `${name}:0`;
    this.#push(name, operator, inputs, [result], attributes);
    return result;
  }

  /** Adds an operator with `count` outputs. @returns their names */
  addSeveral(operator: string, inputs: string[], count: number, attributes: Record<string, Attribute> = {}): string[] {
    const name = this.#unused(`${this.#scope}/${operator}`);
    const results = Array.from({ length: count }, (_, index) => `${name}:${index}`);
    this.#push(name, operator, inputs, results, attributes);
    return results;
  }

  /** Adds a tensor. @returns its name, which must be new */
  weight(name: string, constant: Constant): string {
    this.constants.set(name, constant);
    return name;
  }

  /** A number. @returns its name; the same for the same number */
  scalar(value: number): string {
    return this.#constant(`scalar ${value}`, floats(Float32Array.of(value), []));
  }

  /** A list of whole numbers. @returns its name; the same for the same list */
  list(...values: number[]): string {
    return this.#constant(`list ${values.join(' ')}`, integers(values));
  }

  #push(name: string, opType: string, input: string[], output: string[], attributes: Record<string, Attribute>): void {
    const attribute = Object.entries(attributes).map(([key, value]) => attributeOf(key, value));
    this.nodes.push({ name, opType, input, output, attribute });
  }

  #constant(name: string, constant: Constant): string {
    if (!this.constants.has(name)) this.constants.set(name, constant);
    return name;
  }

  #unused(name: string): string {
    let unused = name;
    for (let count = 1; this.#names.has(unused); count++) unused = `${name}_${count}`;
    this.#names.add(unused);
    return unused;
  }
}

/** How the file describes a graph's input or output. */
export function valueInfo({ name, shape }: Value): Message<'ValueInfoProto'> {
  const dim = shape.map((size) => (typeof size === 'string' ? { dimParam: size } : { dimValue: BigInt(size) }));
  return { name, type: { tensorType: { elemType: elementType.float32, shape: { dim } } } };
}

function attributeOf(name: string, value: Attribute): Message<'AttributeProto'> {
  if ('f' in value) return { name, type: attributeType.float, f: value.f };
  if ('i' in value) return { name, type: attributeType.int, i: BigInt(value.i) };
  return { name, type: attributeType.ints, ints: value.ints.map(BigInt) };
}
