// Encoder, bottleneck and decoder as a graph: pictures in, the groups' features out.
import type { ModelConfig, Tensor } from '../types';
import type { Graph } from './graph';
import { block, linearAttention, mlp, softmaxAttention, type Weights } from './layers';
import { stretchPositions } from './positions';
import { floats } from './tensors';

/** Names of both sides' features (B,N,D), one a group: class token, registers, patches. */
export interface Features {
  encoder: string[];
  decoder: string[];
}

/** Adds the network. @param pictures (B,3,H,W), normalised */
export function addNetwork(
  graph: Graph,
  pictures: string,
  config: ModelConfig,
  state: Record<string, Tensor>,
): Features {
  const { heads, registers } = config.encoder;
  const weights = { state, heads, tokens: 1 + registers + sideOf(config) ** 2 };
  const targets = addEncoder(graph, pictures, config, weights);
  const mixed = mlp(
    graph,
    graph.within('bottleneck', () => mean(graph, targets)),
    'bottleneck.0',
    weights,
  );
  const outputs = addDecoder(graph, mixed, config, weights);
  return graph.within('groups', () => ({
    encoder: config.groups.map((group) => mean(graph, of(targets, group))),
    decoder: config.groups.map((group) => mean(graph, of(outputs, group))),
  }));
}

/** The grid's side in patches. */
export function sideOf({ encoder, image }: ModelConfig): number {
  return image.crop / encoder.patch;
}

/** @returns the targets' outputs; blocks after the last are left out */
function addEncoder(graph: Graph, pictures: string, config: ModelConfig, weights: Weights): string[] {
  const { targets } = config.encoder;
  const outputs: string[] = [];
  let tokens = graph.within('encoder.patch_embed', () => addTokens(graph, pictures, config, weights));
  for (let index = 0; index <= targets.at(-1)!; index++) {
    const kind = { attention: softmaxAttention, epsilon: 1e-6 };
    tokens = block(graph, tokens, `encoder.blocks.${index}`, weights, kind);
    if (targets.includes(index)) outputs.push(tokens);
  }
  return outputs;
}

/** @returns the blocks' outputs, the last first: it answers the first target */
function addDecoder(graph: Graph, input: string, { decoderDepth }: ModelConfig, weights: Weights): string[] {
  const outputs: string[] = [];
  let tokens = input;
  for (let index = 0; index < decoderDepth; index++) {
    const kind = { attention: linearAttention, epsilon: 1e-8 };
    tokens = block(graph, tokens, `decoder.${index}`, weights, kind);
    outputs.unshift(tokens);
  }
  return outputs;
}

/** Patches become tokens; rows of zeros before them make room for what {@link constantTokens} adds. */
function addTokens(graph: Graph, pictures: string, config: ModelConfig, weights: Weights): string {
  const { dim, patch, registers } = config.encoder;
  const kernelName = 'encoder.patch_embed.proj.weight';
  const { data, shape } = weights.state[kernelName]!;
  const kernel = graph.weight(kernelName, floats(data, shape));
  const sides = { kernel_shape: { ints: [patch, patch] }, strides: { ints: [patch, patch] } };
  const grid = graph.add('Conv', [pictures, kernel], sides);
  const flat = graph.add('Reshape', [grid, graph.list(0, dim, sideOf(config) ** 2)]);
  const patches = graph.add('Transpose', [flat], { perm: { ints: [0, 2, 1] } });
  const tokens = graph.add('Pad', [patches, graph.list(0, 1 + registers, 0, 0, 0, 0)]);
  const constant = floats(constantTokens(config, weights), [1, weights.tokens, dim]);
  return graph.add('Add', [tokens, graph.weight('encoder.tokens', constant)]);
}

/** What no picture changes: class token and its position, registers, the patches' bias and positions. */
function constantTokens({ encoder, ...config }: ModelConfig, { state, tokens }: Weights): Float32Array {
  const { dim, grid, registers } = encoder;
  const of = (name: string) => state[`encoder.${name}`]!.data;
  const positions = stretchPositions(of('pos_embed'), grid, sideOf({ encoder, ...config }), dim);
  const bias = of('patch_embed.proj.bias');
  const constant = new Float32Array(tokens * dim);
  constant.set(of('cls_token').map((value, channel) => value + positions[channel]!));
  if (registers > 0) constant.set(of('register_tokens'), dim);
  constant.set(
    positions.subarray(dim).map((value, index) => value + bias[index % dim]!),
    (1 + registers) * dim,
  );
  return constant;
}

function mean(graph: Graph, features: string[]): string {
  return features.length === 1 ? features[0]! : graph.add('Mean', features);
}

function of<T>(list: T[], indices: number[]): T[] {
  return indices.map((index) => list[index]!);
}
