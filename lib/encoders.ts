import type { EncoderName, EncoderShape } from './types';

/** A known encoder: its sizes and where its weights lie. */
export interface KnownEncoder {
  shape: Required<EncoderShape>;
  /** Repository on the Hugging Face hub. */
  repository: string;
}

const sizes = {
  small: { dim: 384, heads: 6, depth: 12, targets: [2, 3, 4, 5, 6, 7, 8, 9] },
  base: { dim: 768, heads: 12, depth: 12, targets: [2, 3, 4, 5, 6, 7, 8, 9] },
  large: { dim: 1024, heads: 16, depth: 24, targets: [4, 6, 8, 10, 12, 14, 16, 18] },
};

function dinov2(size: keyof typeof sizes, registers: 0 | 4): KnownEncoder {
  return {
    shape: { ...sizes[size], patch: 14, grid: 37, registers, layerScale: true },
    repository: `facebook/dinov2-${registers > 0 ? 'with-registers-' : ''}${size}`,
  };
}

/** Encoders by name (paper, 4.1 and table A1): DINOv2 ViT-S/14, B/14 and L/14, with four registers and without. */
export const encoders: Readonly<Record<EncoderName, KnownEncoder>> = {
  dinov2reg_vit_small_14: dinov2('small', 4),
  dinov2reg_vit_base_14: dinov2('base', 4),
  dinov2reg_vit_large_14: dinov2('large', 4),
  dinov2_vit_small_14: dinov2('small', 0),
  dinov2_vit_base_14: dinov2('base', 0),
  dinov2_vit_large_14: dinov2('large', 0),
};

/** The encoder whose weights lie in this package. */
export const embeddedEncoder: EncoderName = 'dinov2_vit_small_14';

export const encoderNames = Object.keys(encoders) as EncoderName[];
