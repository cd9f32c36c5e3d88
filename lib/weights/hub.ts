import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, symlink } from 'node:fs/promises';
import path from 'node:path';
import type { ReadableStream } from 'node:stream/web';
import type { PathInfo } from '@huggingface/hub';
import { DinomalyError } from '../errors';

const FILE = 'model.safetensors';

/** Loaded by who downloads: an import of this package should not wait for it. */
const hub = () => import('@huggingface/hub');

export interface HubOptions {
  /** Called after every piece that came, in bytes. */
  onProgress?: (received: number, total: number) => void;
  signal?: AbortSignal;
}

/**
 * The path of a repository's `model.safetensors` in the hub's cache (`HF_HUB_CACHE`, or `HF_HOME/hub`, or
 * `~/.cache/huggingface/hub`, shared with Python's libraries). What is not there is fetched from `HF_ENDPOINT` (default:
 * the hub itself) and kept only if its SHA-256 is the one that the hub states. With `HF_HUB_OFFLINE=1` nothing is fetched.
 *
 * @param repository for example `facebook/dinov2-with-registers-base`
 * @throws ERR_HUB if it is neither in the cache nor to be had; the signal's reason if aborted
 */
export async function fetchFromHub(repository: string, options: HubOptions = {}): Promise<string> {
  const { signal } = options;
  signal?.throwIfAborted();
  const folder = await cacheFolder(repository);
  const cached = await findCached(folder);
  if (cached !== undefined) return cached;
  if (isOffline()) {
    throw new DinomalyError(
      'ERR_HUB',
      `${FILE} of ${repository} was expected in ${folder}, because HF_HUB_OFFLINE is set; it is not there. ` +
        'Unset it once to fetch the file, or give its path as weights.',
    );
  }
  const hubUrl = (process.env['HF_ENDPOINT'] ?? (await hub()).HUB_URL).replace(/\/+$/, '');
  try {
    return await download(repository, hubUrl, folder, options);
  } catch (cause) {
    signal?.throwIfAborted();
    throw new DinomalyError(
      'ERR_HUB',
      `${FILE} of ${repository} could not be fetched from ${hubUrl}: ${reason(cause)}. Try again, set HF_ENDPOINT to a ` +
        'mirror, or download the file yourself and give its path as weights.',
      { cause },
    );
  }
}

async function cacheFolder(repository: string): Promise<string> {
  const { getHFHubCachePath, getRepoFolderName } = await hub();
  try {
    return path.join(getHFHubCachePath(), getRepoFolderName({ type: 'model', name: repository }));
  } catch (cause) {
    throw new DinomalyError(
      'ERR_HUB',
      'Expected a folder to keep downloads in, found a user without a home. Set HF_HUB_CACHE to one.',
      { cause },
    );
  }
}

/** The file in any snapshot: the weights of a release do not change. */
async function findCached(folder: string): Promise<string | undefined> {
  const snapshots = path.join(folder, 'snapshots');
  for (const revision of await readdir(snapshots).catch(() => [])) {
    const file = path.join(snapshots, revision, FILE);
    // A link whose blob was removed does not count.
    if (await stat(file).catch(() => undefined)) return file;
  }
  return undefined;
}

/** As Python's huggingface_hub reads the variable. */
function isOffline(): boolean {
  return ['1', 'ON', 'YES', 'TRUE'].includes((process.env['HF_HUB_OFFLINE'] ?? '').toUpperCase());
}

async function download(
  repository: string,
  hubUrl: string,
  folder: string,
  { onProgress, signal }: HubOptions,
): Promise<string> {
  const request = {
    repo: repository,
    hubUrl,
    fetch: ((input, init) => fetch(input, signal === undefined ? init : { ...init, signal })) as typeof fetch,
  };
  const { downloadFile, pathsInfo } = await hub();
  const [info]: PathInfo[] = await pathsInfo({ ...request, paths: [FILE], expand: true });
  if (info === undefined) throw new Error('the repository does not have it');
  const checksum = info.lfs?.oid ?? '';
  const revision = info.lastCommit?.id ?? '';
  // Both become file names, so a hostile mirror must not choose them freely.
  if (!/^[0-9a-f]{64}$/.test(checksum) || !/^[0-9a-f]{40}$/.test(revision)) {
    throw new Error('its SHA-256 and revision were expected and not stated');
  }
  // Plain HTTP, which every mirror speaks, instead of the hub's own chunk protocol.
  const content = await downloadFile({ ...request, path: FILE, revision, xet: false });
  if (content === null) throw new Error(`revision ${revision} does not have it`);
  const blob = path.join(folder, 'blobs', checksum);
  await saveVerified(content, blob, checksum, onProgress);
  const snapshot = path.join(folder, 'snapshots', revision);
  await mkdir(snapshot, { recursive: true });
  const file = path.join(snapshot, FILE);
  // Renamed into place, because another process may fetch the same file.
  const link = `${file}.${randomUUID()}`;
  await symlink(path.relative(snapshot, blob), link);
  await rename(link, file);
  return file;
}

/** Nothing carries the final name, and nothing at all stays, unless every byte came and the checksum is right. */
async function saveVerified(
  content: Blob,
  target: string,
  checksum: string,
  onProgress: HubOptions['onProgress'],
): Promise<void> {
  await mkdir(path.dirname(target), { recursive: true });
  const incomplete = `${target}.${randomUUID()}.incomplete`;
  try {
    const handle = await open(incomplete, 'wx');
    try {
      const hash = createHash('sha256');
      let received = 0;
      for await (const chunk of content.stream() as ReadableStream<Uint8Array>) {
        received += chunk.byteLength;
        if (received > content.size) throw new Error(`more than the stated ${content.size} bytes came`);
        hash.update(chunk);
        await handle.writeFile(chunk);
        onProgress?.(received, content.size);
      }
      if (received < content.size) throw new Error(`${content.size} bytes were expected, ${received} came`);
      const found = hash.digest('hex');
      if (found !== checksum) throw new Error(`its SHA-256 should be ${checksum} and is ${found}`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(incomplete, target);
  } catch (cause) {
    await rm(incomplete, { force: true });
    throw cause;
  }
}

/** fetch only says "fetch failed"; what happened stands in its cause. The hub package sometimes throws a string. */
function reason(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.cause instanceof Error ? `${cause.message}: ${cause.cause.message}` : cause.message;
}
