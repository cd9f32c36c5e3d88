import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { openWeights } from '../../lib/weights';
import { fetchFromHub } from '../../lib/weights/hub';
import { rejection } from '../support/error';
import { temporaryFolder } from '../support/temporaryFolder';

const repository = 'facebook/dinov2-with-registers-small';
const folderName = 'models--facebook--dinov2-with-registers-small';
const revision = '0123456789abcdef0123456789abcdef01234567';
const content = readFileSync(path.join(__dirname, '../golden/formats/hf.safetensors'));
const sha256 = createHash('sha256').update(content).digest('hex');
const root = temporaryFolder();

/** What the server does otherwise in a test. */
let faults: {
  info?: unknown;
  status?: number;
  body?: (response: ServerResponse) => void;
} = {};
let requests: string[] = [];
let cache: string;

const server = createServer((request, response) => {
  requests.push(`${request.method} ${request.url}`);
  if (faults.status !== undefined) {
    response.writeHead(faults.status, { 'content-type': 'application/json' });
    response.end('{"error":"Repository not found"}');
  } else if (request.url === `/api/models/${repository}/paths-info/main`) sendInfo(response);
  else if (request.url === `/${repository}/resolve/${revision}/model.safetensors`) sendFile(request, response);
  else response.writeHead(404).end();
});

function sendInfo(response: ServerResponse): void {
  const info = {
    type: 'file',
    path: 'model.safetensors',
    oid: 'f'.repeat(40),
    size: content.length,
    lfs: { oid: sha256, size: content.length, pointerSize: 134 },
    lastCommit: { id: revision, title: 'Upload', date: '2023-07-31T00:00:00.000Z' },
  };
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(faults.info ?? [info]));
}

function sendFile(request: IncomingMessage, response: ServerResponse): void {
  const headers = { etag: `"${sha256}"`, 'x-linked-size': content.length };
  if (request.headers.range === 'bytes=0-0') {
    response.writeHead(206, { ...headers, 'content-range': `bytes 0-0/${content.length}`, 'content-length': 1 });
    response.end(content.subarray(0, 1));
  } else if (faults.body) {
    faults.body(response);
  } else {
    response.writeHead(200, { ...headers, 'content-length': content.length });
    response.end(content);
  }
}

const variables = [
  'HF_ENDPOINT',
  'HF_HUB_CACHE',
  'HF_HOME',
  'HF_HUB_OFFLINE',
  'HUGGINGFACE_HUB_CACHE',
  'XDG_CACHE_HOME',
];
const environment = Object.fromEntries(variables.map((name) => [name, process.env[name]]));

beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
afterAll(() => {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(resolve));
});

beforeEach(() => {
  faults = {};
  requests = [];
  cache = mkdtempSync(path.join(root, 'cache-'));
  for (const name of variables) Reflect.deleteProperty(process.env, name);
  process.env['HF_ENDPOINT'] = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  process.env['HF_HUB_CACHE'] = cache;
});

afterEach(() => {
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined) Reflect.deleteProperty(process.env, name);
    else process.env[name] = value;
  }
});

/** All that is no folder. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => entry.name);
}

async function failure(): Promise<Error> {
  const error = await rejection(fetchFromHub(repository), 'ERR_HUB');
  expect(error.message).toMatch(repository);
  expect(filesBelow(cache)).toEqual([]);
  return error;
}

test('a file is fetched into the layout that the hub libraries share, with progress', async () => {
  const progress: [number, number][] = [];
  const file = await fetchFromHub(repository, { onProgress: (received, total) => progress.push([received, total]) });
  expect(file).toBe(path.join(cache, folderName, 'snapshots', revision, 'model.safetensors'));
  expect(realpathSync(file)).toBe(path.join(realpathSync(cache), folderName, 'blobs', sha256));
  expect(filesBelow(cache).sort()).toEqual([sha256, 'model.safetensors'].sort());
  expect(readFileSync(file).equals(content)).toBe(true);
  expect((await openWeights(file)).tensors.size).toBe(44);
  expect(progress.at(-1)).toEqual([content.length, content.length]);
  expect(progress.map(([received]) => received)).toEqual(progress.map(([received]) => received).sort((a, b) => a - b));
});

test('what is in the cache is not asked for again, nor needs the hub', async () => {
  const first = await fetchFromHub(repository);
  requests = [];
  expect(await fetchFromHub(repository)).toBe(first);
  process.env['HF_HUB_OFFLINE'] = '1';
  expect(await fetchFromHub(repository)).toBe(first);
  expect(requests).toEqual([]);
});

test('HF_HOME moves the cache', async () => {
  delete process.env['HF_HUB_CACHE'];
  process.env['HF_HOME'] = cache;
  const file = await fetchFromHub(repository);
  expect(file).toBe(path.join(cache, 'hub', folderName, 'snapshots', revision, 'model.safetensors'));
});

test('a slash behind the endpoint does no harm', async () => {
  process.env['HF_ENDPOINT'] = `${process.env['HF_ENDPOINT']!}/`;
  expect(statSync(await fetchFromHub(repository)).size).toBe(content.length);
});

test.each(['1', 'true', 'YES', 'on'])(
  'offline (%s), what is not there is an error and nothing is asked',
  async (value) => {
    process.env['HF_HUB_OFFLINE'] = value;
    expect((await failure()).message).toMatch('HF_HUB_OFFLINE');
    expect(requests).toEqual([]);
  },
);

test('a link whose blob was removed is fetched again', async () => {
  const snapshot = path.join(cache, folderName, 'snapshots', revision);
  mkdirSync(snapshot, { recursive: true });
  symlinkSync('../../blobs/gone', path.join(snapshot, 'model.safetensors'));
  expect(readFileSync(await fetchFromHub(repository)).equals(content)).toBe(true);
});

test('a wrong checksum leaves nothing behind', async () => {
  faults.body = (response) => {
    const damaged = Buffer.from(content);
    damaged[1000]! ^= 1;
    response.writeHead(200, { 'content-length': damaged.length }).end(damaged);
  };
  const error = await failure();
  expect(error.message).toMatch(`its SHA-256 should be ${sha256}`);
  expect(error.cause).toBeInstanceOf(Error);
});

test('a cut connection leaves nothing behind', async () => {
  faults.body = (response) => {
    response.writeHead(200, { 'content-length': content.length });
    response.write(content.subarray(0, 100_000), () => response.destroy());
  };
  expect((await failure()).cause).toBeDefined();
});

test.each([
  ['fewer bytes than stated', content.subarray(0, 1000)],
  ['more bytes than stated', Buffer.concat([content, Buffer.alloc(1)])],
])('%s leave nothing behind', async (_, bytes) => {
  faults.body = (response) => response.writeHead(200).end(bytes);
  expect((await failure()).message).toMatch(`${content.length} bytes`);
});

test('an error of the server for the file leaves nothing behind', async () => {
  faults.body = (response) => response.writeHead(503).end();
  expect((await failure()).message).toMatch('503');
});

test('a repository that is not there is named', async () => {
  faults.status = 404;
  expect((await failure()).message).toMatch('Repository not found');
});

test('no server at all', async () => {
  process.env['HF_ENDPOINT'] = 'http://127.0.0.1:1';
  expect((await failure()).message).toMatch(/fetch failed/);
});

test.each<[string, unknown]>([
  ['no entry', []],
  ['no checksum', [{ path: 'model.safetensors', lastCommit: { id: revision } }]],
  ['a checksum that is a path', [{ lfs: { oid: '../../x' }, lastCommit: { id: revision } }]],
  ['a revision that is a path', [{ lfs: { oid: sha256 }, lastCommit: { id: '../../../x' } }]],
  ['no list', { error: 'x' }],
])('a hub that states %s is refused', async (_, info) => {
  faults.info = info;
  await failure();
});

test('an aborted call rejects with its reason and leaves nothing behind', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  faults.body = (response) => {
    response.writeHead(200, { 'content-length': content.length });
    response.write(content.subarray(0, 1000));
  };
  const onProgress = () => controller.abort(reason);
  await expect(fetchFromHub(repository, { signal: controller.signal, onProgress })).rejects.toBe(reason);
  await expect(fetchFromHub(repository, { signal: controller.signal })).rejects.toBe(reason);
  expect(filesBelow(cache)).toEqual([]);
});

test('two calls at the same time both get the file', async () => {
  const [first, second] = await Promise.all([fetchFromHub(repository), fetchFromHub(repository)]);
  expect(first).toBe(second);
  expect(filesBelow(cache)).toHaveLength(2);
  expect(readFileSync(first).equals(content)).toBe(true);
});

test('nothing is written to the console', async () => {
  const written = (['log', 'debug', 'info', 'warn', 'error'] as const).map((name) => jest.spyOn(console, name));
  await fetchFromHub(repository);
  for (const spy of written) {
    expect(spy).not.toHaveBeenCalled();
    spy.mockRestore();
  }
});

test('a folder that cannot be written is an error with its cause', async () => {
  const file = path.join(cache, 'file');
  writeFileSync(file, '');
  process.env['HF_HUB_CACHE'] = path.join(file, 'hub');
  expect((await rejection(fetchFromHub(repository), 'ERR_HUB')).cause).toMatchObject({ code: 'ENOTDIR' });
});
