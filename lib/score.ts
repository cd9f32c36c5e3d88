import { addon, type CancelToken } from './addon';
import { cancellable, follow } from './abort';
import { decodeRgb, encodePng, type Pixels } from './image/decode';
import { preparePicture } from './image/prepare';
import type { Network } from './network';
import type { CheckedScoreOptions } from './options';
import type { AnomalyMap, ImageInput, ScoreResult, WithHeatmap, WithOriginal } from './types';

type Scored = ScoreResult & Partial<WithOriginal & WithHeatmap>;

/** Side of the square map. */
export const mapSide = 256;

/** Scores pictures, results in their order. The first failure ends the others. */
export async function scoreAll(
  network: Network,
  images: ImageInput[],
  options: CheckedScoreOptions,
): Promise<Scored[]> {
  const { controller, unlink } = follow(options.signal);
  const { signal } = controller;
  try {
    // One token for all: a listener for each of many pictures would take the signal quadratic time.
    return await cancellable(signal, (token) =>
      Promise.all(images.map((image) => scoreInTurn(network, image, { ...options, signal }, token))),
    );
  } catch (error) {
    controller.abort(error); // ends those that wait
    throw error;
  } finally {
    unlink();
  }
}

/** Scores one picture. */
export function scoreOne(network: Network, image: ImageInput, options: CheckedScoreOptions): Promise<Scored> {
  return cancellable(options.signal, (token) => scoreInTurn(network, image, options, token));
}

/** Scores a picture as soon as the network has room for it. */
function scoreInTurn(
  network: Network,
  image: ImageInput,
  options: CheckedScoreOptions,
  token: CancelToken,
): Promise<Scored> {
  return network.pictures.run(async () => {
    options.signal?.throwIfAborted();
    const picture = await decodeRgb(image);
    try {
      return await scorePixels(network, picture, options, token);
    } finally {
      addon().release(picture.data);
    }
  });
}

/** Scores decoded pixels. */
export async function scorePixels(
  network: Network,
  picture: Pixels,
  { original, heatmap, heatmapMax }: Pick<CheckedScoreOptions, 'heatmap' | 'heatmapMax'> & { original?: boolean },
  token: CancelToken,
): Promise<Scored> {
  const { native, config } = network;
  const prepared = await preparePicture(picture, config.image);
  const scored = native.score(prepared, config.image.crop, token);
  addon().release(prepared); // which score() has copied
  const { score, map } = await scored;
  const result: Scored = { score, map: { data: map, width: mapSide, height: mapSide } };
  if (!original && !heatmap) return result;
  const inPicture = await toOriginal(map, picture, network);
  if (original) result.original = inPicture;
  if (heatmap) result.heatmap = await renderPng(picture, inPicture, heatmapMax ?? config.heatmapMax);
  return result;
}

async function toOriginal(map: Float32Array, { width, height }: Pixels, { config }: Network): Promise<AnomalyMap> {
  const { resize, crop } = config.image;
  return { data: await addon().mapToOriginal(map, width, height, resize, crop), width, height };
}

async function renderPng({ data, width, height }: Pixels, { data: map }: AnomalyMap, max: number): Promise<Buffer> {
  return encodePng({ data: await addon().renderHeatmap(data, map, width, height, max), width, height });
}
