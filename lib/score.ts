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
  try {
    return await Promise.all(
      images.map((image) => scoreOne(network, image, { ...options, signal: controller.signal })),
    );
  } catch (error) {
    controller.abort(error);
    throw error;
  } finally {
    unlink();
  }
}

/** Scores one picture as soon as the network has room for it. */
export function scoreOne(network: Network, image: ImageInput, options: CheckedScoreOptions): Promise<Scored> {
  return cancellable(options.signal, (token) =>
    network.pictures.run(async () => {
      options.signal?.throwIfAborted();
      const picture = await decodeRgb(image);
      const { score, map } = await scorePixels(network, picture, token);
      const result: Scored = { score, map: { data: map, width: mapSide, height: mapSide } };
      if (!options.original && !options.heatmap) return result;
      const original = await toOriginal(map, picture, network);
      if (options.original) result.original = original;
      if (options.heatmap) {
        result.heatmap = await heatmap(picture, original, options.heatmapMax ?? network.config.heatmapMax);
      }
      return result;
    }),
  );
}

/** Score and map of decoded pixels. */
export async function scorePixels(
  { native, config }: Network,
  picture: Pixels,
  token: CancelToken,
): Promise<{ score: number; map: Float32Array }> {
  return native.score(await preparePicture(picture, config.image), config.image.crop, token);
}

async function toOriginal(map: Float32Array, { width, height }: Pixels, { config }: Network): Promise<AnomalyMap> {
  const { resize, crop } = config.image;
  return { data: await addon().mapToOriginal(map, width, height, resize, crop), width, height };
}

async function heatmap({ data, width, height }: Pixels, { data: map }: AnomalyMap, max: number): Promise<Buffer> {
  return encodePng({ data: await addon().renderHeatmap(data, map, width, height, max), width, height });
}
