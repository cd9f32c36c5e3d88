import { DinomalyError } from '../errors';
import { quote } from './formatError';
import { detectNaming, type Naming } from './names';
import type { WeightsFile } from './weightsFile';

/** The network that a file's shapes tell of, and what they cannot tell as the released models have it. */
export interface InferredNetwork {
  dim: number;
  /** Not told by any shape: heads of 64 channels, as in every DINOv2. */
  heads: number;
  depth: number;
  patch: number;
  grid: number;
  registers: number;
  layerScale: boolean;
  /** Not told by any shape: 2 to 9, or 4, 6 to 18 of 24 layers. */
  targets: number[];
  /** 0 in a file of an encoder alone. */
  decoderDepth: number;
}

/**
 * Tells a network by its weights, so that a file can be loaded without a configuration. A block counts only with its
 * largest matrix, so the network is never much larger than the file.
 *
 * @throws ERR_WEIGHTS_MISMATCH if the file holds no such encoder
 */
export function inferNetwork(file: WeightsFile): InferredNetwork {
  const naming = detectNaming(file.tensors.keys());
  const shapeOf = (released: string) => file.tensors.get(naming.inFile(released)[0]!)?.shape;
  const axis = (released: string, rank: number, index: number) => {
    const shape = shapeOf(released);
    const size = shape?.length === rank ? shape[index] : undefined;
    if (size !== undefined && size > 0) return size;
    const found = shape === undefined ? 'none' : `[${shape.join(', ')}]`;
    throw unknownNetwork(
      file,
      naming,
      `${quote(naming.inFile(released)[0]!)} with ${rank} axes expected, found ${found}`,
    );
  };
  const dim = axis('encoder.cls_token', 3, 2);
  const countBlocks = (prefix: string) => {
    let n = 0;
    while (shapeOf(`${prefix}.${n}.mlp.fc1.weight`)?.join() === `${4 * dim},${dim}`) n++;
    return n;
  };
  const depth = countBlocks('encoder.blocks');
  if (depth === 0) throw unknownNetwork(file, naming, `no blocks of ${dim} channels found`);
  return {
    dim,
    heads: Math.max(1, Math.floor(dim / 64)),
    depth,
    patch: axis('encoder.patch_embed.proj.weight', 4, 3),
    grid: Math.floor(Math.sqrt(axis('encoder.pos_embed', 3, 1) - 1)),
    registers: shapeOf('encoder.register_tokens') ? axis('encoder.register_tokens', 3, 1) : 0,
    layerScale: shapeOf('encoder.blocks.0.ls1.gamma') !== undefined,
    targets: Array.from({ length: 8 }, (_, i) => (depth === 24 ? 4 + 2 * i : 2 + i)),
    decoderDepth: countBlocks('decoder'),
  };
}

function unknownNetwork(file: WeightsFile, naming: Naming, found: string): DinomalyError {
  return new DinomalyError(
    'ERR_WEIGHTS_MISMATCH',
    `${file.path}, read as ${naming.title}: ${found}. A DINOv2 encoder or a Dinomaly model was expected.`,
  );
}
