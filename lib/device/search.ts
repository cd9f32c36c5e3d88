import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { CudaOptions } from '../types';
import { choose, type Choice } from './choose';
import { examineAll } from './examineAll';
import { findPairs, type Found } from './find';
import { keyOf, recall, remember } from './remember';
import type { CudaReport, Tested } from './report';
import type { Surroundings } from './surroundings';
import { reportOf } from './text';

/** This process's last tests by key, also those under way: models share them, and what failed is not tested again. */
const tests = new Map<string, Promise<Tested[]>>();

/**
 * What to compute on a GPU with.
 *
 * @param ordinal the GPU's number; undefined: any
 * @returns the choice, or a report of everything that was tried
 */
export async function chooseCuda(
  ordinal: number | undefined,
  options: CudaOptions,
  surroundings: Surroundings,
): Promise<Choice | CudaReport> {
  const { driver, found, key } = await lookAround(options, surroundings);
  const known = tests.has(key) ? undefined : await recall(key, found, surroundings);
  const before = known && choose(known, ordinal);
  if (before) return before;
  const tested = await (tests.get(key) ?? testAll(key, found, surroundings));
  return choose(tested, ordinal) ?? reportOf({ driver, looked: found.looked, tested }, ordinal);
}

/** Looks and tests anew, whatever is remembered. */
export async function inspectCuda(surroundings: Surroundings): Promise<CudaReport> {
  const { driver, found, key } = await lookAround({}, surroundings);
  const tested = await testAll(key, found, surroundings);
  return reportOf({ driver, looked: found.looked, tested }, undefined);
}

function testAll(key: string, found: Found, surroundings: Surroundings): Promise<Tested[]> {
  const tested = examineAll(found, surroundings).then(async (results) => {
    await remember(key, results, surroundings);
    return results;
  });
  tests.set(key, tested);
  return tested;
}

async function lookAround(options: CudaOptions, surroundings: Surroundings) {
  const [driver, found] = await Promise.all([driverOf(surroundings), findPairs(options, surroundings)]);
  return { driver, found, key: await keyOf(found, driver, surroundings) };
}

async function driverOf({ system }: Surroundings): Promise<string | null> {
  const text = await readFile(path.join(system, 'proc/driver/nvidia/version'), 'utf8').catch(() => '');
  return text.split('\n')[0]!.trim() || null;
}
