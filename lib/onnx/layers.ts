// The layers that encoder, bottleneck and decoder are made of, named as in files of weights. Tokens are (B,N,D).
import type { Tensor } from '../types';
import type { Graph } from './graph';
import { floats, transposed } from './tensors';

/** A network's parameters, and how many tokens go through it. */
export interface Weights {
  state: Record<string, Tensor>;
  heads: number;
  tokens: number;
}

type Attention = (graph: Graph, input: string, name: string, weights: Weights) => string;

/** A pre-norm block, `<name>.norm1`, `.attn`, `.norm2`, `.mlp`; LayerScale, where there is any, is part of the weights. */
export function block(
  graph: Graph,
  input: string,
  name: string,
  weights: Weights,
  { attention, epsilon }: { attention: Attention; epsilon: number },
): string {
  const add = (a: string, b: string) => graph.within(name, () => graph.add('Add', [a, b]));
  const norm1 = layerNorm(graph, input, `${name}.norm1`, weights, epsilon);
  const mixed = graph.within(`${name}.attn`, () => attention(graph, norm1, `${name}.attn`, weights));
  const scale = weights.state[`${name}.ls1.gamma`]?.data;
  const middle = add(input, linear(graph, mixed, `${name}.attn.proj`, weights, scale));
  const norm2 = layerNorm(graph, middle, `${name}.norm2`, weights, epsilon);
  return add(middle, mlp(graph, norm2, `${name}.mlp`, weights, weights.state[`${name}.ls2.gamma`]?.data));
}

/** fc1, GELU, fc2; dropout is for training alone. */
export function mlp(graph: Graph, input: string, name: string, weights: Weights, scale?: Float32Array): string {
  const wide = linear(graph, input, `${name}.fc1`, weights);
  const bent = graph.within(name, () => gelu(graph, wide));
  return linear(graph, bent, `${name}.fc2`, weights, scale);
}

/** softmax(q k^T / sqrt(d)) v, heads side by side. */
export function softmaxAttention(graph: Graph, input: string, name: string, weights: Weights): string {
  const dim = widthOf(weights, name);
  const scale = new Float32Array(3 * dim).fill(1);
  scale.fill((dim / weights.heads) ** -0.5, 0, dim); // of q, whose weights take it in
  const [q, k, v] = split(graph, linear(graph, input, `${name}.qkv`, weights, scale), [dim, dim, dim]);
  const likeness = graph.add('MatMul', [headsOf(graph, q!, dim, weights), transposedHeadsOf(graph, k!, dim, weights)]);
  const shares = graph.add('Softmax', [likeness], { axis: { i: -1 } });
  return together(graph, graph.add('MatMul', [shares, headsOf(graph, v!, dim, weights)]), dim, weights);
}

/** phi(q) (phi(k)^T v) / (phi(q) . sum of phi(k)), phi = elu + 1, heads side by side. */
export function linearAttention(graph: Graph, input: string, name: string, weights: Weights): string {
  const dim = widthOf(weights, name);
  const [qk, v] = split(graph, linear(graph, input, `${name}.qkv`, weights), [2 * dim, dim]);
  const positive = graph.add('Add', [graph.add('Elu', [qk!]), graph.scalar(1)]);
  const [q, k] = split(graph, positive, [dim, dim]);
  const queries = headsOf(graph, q!, dim, weights);
  const keys = transposedHeadsOf(graph, k!, dim, weights);
  const memory = graph.add('MatMul', [keys, headsOf(graph, v!, dim, weights)]);
  const keySum = graph.add('ReduceSum', [keys, graph.list(-1)]);
  const norm = graph.add('MatMul', [queries, keySum]);
  return together(graph, graph.add('Div', [graph.add('MatMul', [queries, memory]), norm]), dim, weights);
}

/** x W^T + b, each output multiplied by its `scale`. */
function linear(graph: Graph, input: string, name: string, { state }: Weights, scale?: Float32Array): string {
  const bias = state[`${name}.bias`]!;
  const scaled = scale ? bias.data.map((value, i) => value * scale[i]!) : bias.data;
  const weightName = graph.weight(`${name}.weight`, transposed(state[`${name}.weight`]!, scale));
  const biasName = graph.weight(`${name}.bias`, floats(scaled, bias.shape));
  return graph.within(name, () => graph.add('Add', [graph.add('MatMul', [input, weightName]), biasName]));
}

function layerNorm(graph: Graph, input: string, name: string, { state }: Weights, epsilon: number): string {
  const [weight, bias] = [`${name}.weight`, `${name}.bias`].map((parameter) => {
    const { data, shape } = state[parameter]!;
    return graph.weight(parameter, floats(data, shape));
  });
  const attributes = { axis: { i: -1 }, epsilon: { f: epsilon } };
  return graph.within(name, () => graph.add('LayerNormalization', [input, weight!, bias!], attributes));
}

/** x/2 (1 + erf(x / sqrt 2)), in the operators and the order that runtimes know it by. */
function gelu(graph: Graph, input: string): string {
  const erf = graph.add('Erf', [graph.add('Div', [input, graph.scalar(Math.SQRT2)])]);
  const product = graph.add('Mul', [input, graph.add('Add', [erf, graph.scalar(1)])]);
  return graph.add('Mul', [product, graph.scalar(0.5)]);
}

function split(graph: Graph, input: string, widths: number[]): string[] {
  return graph.addSeveral('Split', [input, graph.list(...widths)], widths.length, { axis: { i: -1 } });
}

/** (B,N,D) as (B,H,N,D/H). */
function headsOf(graph: Graph, input: string, dim: number, { heads, tokens }: Weights): string {
  const apart = graph.add('Reshape', [input, graph.list(0, tokens, heads, dim / heads)]);
  return graph.add('Transpose', [apart], { perm: { ints: [0, 2, 1, 3] } });
}

/** (B,N,D) as (B,H,D/H,N). */
function transposedHeadsOf(graph: Graph, input: string, dim: number, { heads, tokens }: Weights): string {
  const apart = graph.add('Reshape', [input, graph.list(0, tokens, heads, dim / heads)]);
  return graph.add('Transpose', [apart], { perm: { ints: [0, 2, 3, 1] } });
}

/** (B,H,N,D/H) as (B,N,D). */
function together(graph: Graph, input: string, dim: number, { tokens }: Weights): string {
  const turned = graph.add('Transpose', [input], { perm: { ints: [0, 2, 1, 3] } });
  return graph.add('Reshape', [turned, graph.list(0, tokens, dim)]);
}

function widthOf({ state }: Weights, attention: string): number {
  return state[`${attention}.proj.weight`]!.shape[0]!;
}
