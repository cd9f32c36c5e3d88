import os from 'node:os';
import type { FeatureRoom } from '../addon';
import { surroundings, type Surroundings } from '../device';
import { cacheFolder, makeCacheFolder } from '../device/cache';
import type { Network } from '../network';
import type { CheckedTrainOptions } from '../options';

/** Of the machine's memory. */
const defaultShare = 0.25;

/** Where the run may keep encoder features; see `FeatureCacheOptions`. */
export async function featureRoom(
  { memory, file }: NonNullable<CheckedTrainOptions['featureCache']>,
  device: Network['device'],
  around: Surroundings = surroundings(),
): Promise<FeatureRoom> {
  const cacheBytes = memory ?? Math.floor(os.totalmem() * defaultShare);
  if (file !== undefined) return { cacheBytes, cacheFolder: file || undefined };
  // A GPU encodes a picture in less time than a disk may take to read its features.
  const folder = device === 'cpu' ? cacheFolder(around) : undefined;
  if (folder !== undefined) await makeCacheFolder(folder);
  return { cacheBytes, cacheFolder: folder };
}
