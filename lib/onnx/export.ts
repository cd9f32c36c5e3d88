// A whole model as an ONNX file.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { writeAtomically } from '../atomicFile';
import type { ModelConfig, Tensor } from '../types';
import { type Encoded, encodeModel } from './file';
import { Graph, type Value } from './graph';
import { addMap, mapSide } from './map';
import { addNetwork } from './network';
import { formatOf } from './opsets';

export interface ExportSettings {
  opset: number;
  dynamicBatch: boolean;
}

/** ImageNet's, of pixels from 0 to 1 (native/backend/cpu/tokens.cpp). */
const mean = [0.485, 0.456, 0.406];
const deviation = [0.229, 0.224, 0.225];

/**
 * Writes what turns `pictures` (B,3,crop,crop), normalised, into `map` (B,1,256,256) and `score` (B).
 *
 * @param state all parameters by their released names
 * @param check called before every piece; throws when nothing more is to be written
 * @throws ERR_IO, ERR_INVALID_ARGUMENT for a network that no ONNX file can hold
 */
export async function exportOnnx(
  file: string,
  config: ModelConfig,
  state: Record<string, Tensor>,
  settings: ExportSettings,
  check: () => void,
): Promise<void> {
  const { version } = JSON.parse(await readFile(path.join(__dirname, '..', '..', 'package.json'), 'utf8')) as {
    version: string;
  };
  const { pieces } = await encodeExport(config, state, settings, version);
  await writeAtomically(file, checked(pieces, check));
}

function* checked<T>(pieces: Iterable<T>, check: () => void): Iterable<T> {
  for (const piece of pieces) {
    check();
    yield piece;
  }
}

/** In three parts, between which the event loop turns. */
async function encodeExport(
  config: ModelConfig,
  state: Record<string, Tensor>,
  { opset, dynamicBatch }: ExportSettings,
  producerVersion: string,
): Promise<Encoded> {
  const graph = new Graph();
  const batch = dynamicBatch ? 'batch' : 1;
  const pictures: Value = { name: 'pictures', shape: [batch, 3, config.image.crop, config.image.crop] };
  const features = addNetwork(graph, pictures.name, config, state);
  await turn();
  graph.within('map', () => addMap(graph, features, config));
  const model = {
    irVersion: BigInt(formatOf(opset)),
    opsetImport: [{ domain: '', version: BigInt(opset) }],
    producerName: 'dinomaly-native',
    producerVersion,
    docString: description(config),
    metadataProps: metadata(config),
  };
  const outputs = [
    { name: 'map', shape: [batch, 1, mapSide, mapSide] },
    { name: 'score', shape: [batch] },
  ];
  await turn();
  return encodeModel(model, graph, { name: 'dinomaly', inputs: [pictures], outputs });
}

function description({ image: { resize, crop } }: ModelConfig): string {
  return (
    'Dinomaly (arXiv 2405.14325): how abnormal pictures are, and where. ' +
    `pictures: RGB, resized to ${resize}x${resize} (bilinear, antialiased), centre crop ${crop}, divided by 255, ` +
    `mean ${mean.join(' ')} subtracted, divided by ${deviation.join(' ')}. ` +
    `map: cosine distances over the crop, ${mapSide}x${mapSide}, higher is more abnormal. ` +
    'score: the mean of the highest hundredth of the map.'
  );
}

/** What a program needs to prepare pictures and to draw maps; each value as JSON. */
function metadata({ image: { resize, crop }, heatmapMax, trained }: ModelConfig): { key: string; value: string }[] {
  const values = { resize, crop, mean, std: deviation, heatmapMax, trained };
  return Object.entries(values).map(([key, value]) => ({ key, value: JSON.stringify(value) }));
}
