import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { CudaOptions } from '../types';
import { choose, type Choice } from './choose';
import { examineAll } from './examineAll';
import { findPairs } from './find';
import { keyOf, recall, remember } from './remember';
import type { CudaReport, Tested } from './report';
import type { Surroundings } from './surroundings';
import { reportOf } from './text';

/** Tests that are under way, by key: models that are made at the same time share them. */
const underWay = new Map<string, Promise<Tested[]>>();

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
  const known = await recall(key, found, surroundings);
  const before = known && choose(known, ordinal);
  if (before) return before;
  let tests = underWay.get(key);
  if (!tests) {
    tests = examineAll(found, surroundings).finally(() => underWay.delete(key));
    underWay.set(key, tests);
  }
  const tested = await tests;
  await remember(key, tested, surroundings);
  return choose(tested, ordinal) ?? reportOf({ driver, looked: found.looked, tested }, ordinal);
}

/** Looks and tests anew, whatever is remembered. */
export async function inspectCuda(surroundings: Surroundings): Promise<CudaReport> {
  const { driver, found, key } = await lookAround({}, surroundings);
  const tested = await examineAll(found, surroundings);
  await remember(key, tested, surroundings);
  return reportOf({ driver, looked: found.looked, tested }, undefined);
}

async function lookAround(options: CudaOptions, surroundings: Surroundings) {
  const [driver, found] = await Promise.all([driverOf(surroundings), findPairs(options, surroundings)]);
  return { driver, found, key: await keyOf(found, driver, surroundings) };
}

async function driverOf({ system }: Surroundings): Promise<string | null> {
  const text = await readFile(path.join(system, 'proc/driver/nvidia/version'), 'utf8').catch(() => '');
  return text.split('\n')[0]!.trim() || null;
}
