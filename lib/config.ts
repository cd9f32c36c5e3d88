import { z } from 'zod/v3';
import { embeddedEncoder, encoderNames, encoders } from './encoders';
import type { NetworkChoice } from './options';
import type { EncoderName, EncoderShape, ModelConfig } from './types';
import { boolean, fields, integer, invalid, list, number, oneOf, parse } from './validate';

/** The hottest colour's map value where no training has measured one: cosine distances of good parts stay below it. */
export const defaultHeatmapMax = 0.5;

const shapeFields = {
  dim: integer(1, 65_536),
  heads: integer(1, 1024),
  depth: integer(1, 1024),
  patch: integer(1, 256),
  grid: integer(1, 1024),
  registers: integer(0, 1024),
  layerScale: boolean,
  targets: list(integer(0)),
};

const shapeSchema = fields({
  ...shapeFields,
  patch: shapeFields.patch.default(14),
  grid: shapeFields.grid.default(37),
  registers: shapeFields.registers.default(0),
  layerScale: shapeFields.layerScale.default(true),
  targets: shapeFields.targets.default([2, 3, 4, 5, 6, 7, 8, 9]),
});

const partialShapeSchema = fields(shapeFields).partial();

const nameSchema = oneOf<EncoderName>(...encoderNames);

const modelConfigSchema = fields({
  encoder: fields(shapeFields),
  image: fields({ resize: integer(1), crop: integer(1) }),
  dropout: number('a number from 0 up to below 1', (value) => value >= 0 && value < 1),
  groups: list(list(integer(0))),
  decoderDepth: integer(1),
  trained: boolean,
  heatmapMax: number('a number above 0', (value) => value > 0),
}) satisfies z.ZodType<ModelConfig>;

/** `create`'s encoder: what its name means, or its shape with the defaults filled in. */
export function resolveEncoder(encoder: unknown = embeddedEncoder): {
  name?: EncoderName;
  shape: Required<EncoderShape>;
} {
  if (typeof encoder === 'object') return { shape: parse(shapeSchema, encoder, 'encoder') };
  const name = parse(nameSchema, encoder, 'encoder');
  return { name, shape: { ...encoders[name].shape } };
}

/** `load`'s encoder: what is said of it beside what the file tells. */
export function partialShape(encoder: unknown = {}): Partial<EncoderShape> {
  if (typeof encoder === 'object') return defined(parse(partialShapeSchema, encoder, 'encoder'));
  return { ...encoders[parse(nameSchema, encoder, 'encoder')].shape };
}

function defined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as never;
}

/** The whole configuration of an untrained network; defaults as in the paper (see types.ts). */
export function resolveConfig(encoder: Required<EncoderShape>, choice: NetworkChoice): ModelConfig {
  const count = encoder.targets.length;
  const half = Math.ceil(count / 2);
  const indices = encoder.targets.map((_, index) => index);
  const resize = choice.image?.resize ?? 448;
  const config = {
    encoder,
    image: { resize, crop: choice.image?.crop ?? 392 },
    dropout: choice.dropout ?? 0.2,
    groups: choice.groups ?? [indices.slice(0, half), indices.slice(half)].filter((group) => group.length > 0),
    decoderDepth: choice.decoderDepth ?? count,
    trained: false,
    heatmapMax: defaultHeatmapMax,
  };
  checkConfig(config, invalid);
  return config;
}

/** The configuration as a file of this package holds it; throws ERR_FILE_FORMAT. */
export function parseConfig(json: string, path: string): ModelConfig {
  const what = `${path}: __metadata__.config`;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw invalid(what, 'JSON', json, 'ERR_FILE_FORMAT');
  }
  const config = parse(modelConfigSchema, value, what, 'ERR_FILE_FORMAT');
  checkConfig(config, (field, expected, found) => invalid(`${what}.${field}`, expected, found, 'ERR_FILE_FORMAT'));
  return config;
}

/** What one field alone cannot tell. */
function checkConfig({ encoder, image, groups, decoderDepth }: ModelConfig, fault: typeof invalid): void {
  const { dim, heads, depth, patch, targets } = encoder;
  if (dim % heads !== 0) throw fault('encoder.heads', `a divisor of dim (${dim})`, heads);
  if (targets.some((target, i) => target >= depth || (i > 0 && target <= targets[i - 1]!))) {
    throw fault('encoder.targets', `ascending blocks from 0 to ${depth - 1} (depth - 1)`, targets);
  }
  for (const group of groups) {
    if (group.some((index) => index >= targets.length) || new Set(group).size !== group.length) {
      throw fault('groups', `different indices from 0 to ${targets.length - 1} into the targets`, groups);
    }
  }
  if (decoderDepth !== targets.length) {
    throw fault('decoderDepth', `as many blocks as the encoder has targets (${targets.length})`, decoderDepth);
  }
  if (image.crop > image.resize) throw fault('image.crop', `at most image.resize (${image.resize})`, image.crop);
  if (image.crop % patch !== 0) throw fault('image.crop', `a multiple of the encoder's patch (${patch})`, image.crop);
}
