/**
 * The ways in which files name the network's tensors. Here a tensor is asked for by its released name
 * (`encoder.blocks.0.attn.qkv.weight`, `decoder.0.mlp.fc1.bias`, `optimizer.exp_avg.<name>`).
 */
export interface Naming {
  /** For messages. */
  title: string;
  /** The tensors of the file that make up the named one, joined along the first axis. */
  inFile(released: string): string[];
  /** The part of the network that a name in the file belongs to: what stands before the first dot of a released name. */
  part(name: string): string;
  /** What real files hold beside the network. */
  isIgnored(name: string): boolean;
}

const ENCODER = 'encoder.';

/** A released `model.pth`, and this project's own file. */
const dinomaly: Naming = {
  title: 'a Dinomaly model',
  inFile: (released) => [released],
  part: (name) => name.split('.', 1)[0]!,
  isIgnored: (name) => /^encoder\.(mask_token$|norm\.)/.test(name),
};

/** The DINOv2 release: the encoder alone, without a prefix. */
const release: Naming = {
  title: 'an encoder with the names of the DINOv2 release',
  inFile: (released) => [released.startsWith(ENCODER) ? released.slice(ENCODER.length) : released],
  part: () => 'encoder',
  isIgnored: (name) => /^(mask_token$|norm\.)/.test(name),
};

const huggingFaceRules: [RegExp, string[]][] = [
  [/^encoder\.(cls_token|register_tokens)$/, ['embeddings.$1']],
  [/^encoder\.pos_embed$/, ['embeddings.position_embeddings']],
  [/^encoder\.patch_embed\.proj\.(\w+)$/, ['embeddings.patch_embeddings.projection.$1']],
  [
    /^encoder\.blocks\.(\d+)\.attn\.qkv\.(\w+)$/,
    ['query', 'key', 'value'].map((part) => `encoder.layer.$1.attention.attention.${part}.$2`),
  ],
  [/^encoder\.blocks\.(\d+)\.attn\.proj\.(\w+)$/, ['encoder.layer.$1.attention.output.dense.$2']],
  [/^encoder\.blocks\.(\d+)\.ls([12])\.gamma$/, ['encoder.layer.$1.layer_scale$2.lambda1']],
  [/^encoder\.blocks\.(\d+)\.(.+)$/, ['encoder.layer.$1.$2']],
];

/** Hugging Face's Dinov2Model and Dinov2WithRegistersModel; inside a larger model its names carry a prefix. */
function huggingFace(prefix: string): Naming {
  return {
    title: "an encoder with Hugging Face's names",
    inFile(released) {
      for (const [pattern, names] of huggingFaceRules) {
        if (pattern.test(released)) return names.map((name) => prefix + released.replace(pattern, name));
      }
      return [released];
    },
    part: () => 'encoder',
    isIgnored: (name) => name === `${prefix}embeddings.mask_token` || name.startsWith(`${prefix}layernorm.`),
  };
}

/** Tells from its names what kind of file it is. */
export function detectNaming(names: Iterable<string>): Naming {
  for (const name of names) {
    const prefix = /^(dinov2\.|dinov2_with_registers\.|)embeddings\./.exec(name)?.[1];
    if (prefix !== undefined) return huggingFace(prefix);
    if (/^(bottleneck|decoder|encoder\.(cls_token|pos_embed|patch_embed|blocks))\b/.test(name)) return dinomaly;
  }
  return release;
}
