import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A new folder that is removed after the tests of the calling file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'dinomaly-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
