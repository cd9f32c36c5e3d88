import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { type Command, Option } from 'commander';
import { type Dataset, DinomalyError, datasets, type FolderClass, type Unreadable } from '../index';
import { toList } from './parsers';

export interface DataFlags {
  layout: 'mvtec' | 'folder';
  class?: string[];
  unreadable: Unreadable;
}

const parts = ['train', 'good', 'defective', 'masks'] as const;

const layoutText =
  'mvtec: <class>/train/good, <class>/test/<good or kind of defect>, <class>/ground_truth/<kind of defect>; ' +
  `folder: <class>/{${parts.join(',')}}, of which those count that are there`;

export function addDataOptions(command: Command): Command {
  command
    .optionsGroup('Data:')
    .addOption(new Option('--layout <name>', layoutText).choices(['mvtec', 'folder']).default('mvtec'))
    .option('--class <name>', 'a class to take; may be given several times (default: all folders)', toList);
  return addUnreadableOption(command);
}

export function addUnreadableOption(command: Command): Command {
  return command.addOption(
    new Option('--unreadable <what>', 'stop at a picture that cannot be decoded, or warn and skip it')
      .choices(['stop', 'skip'])
      .default('stop'),
  );
}

/** The data set in a folder. */
export async function readDataset(root: string, flags: DataFlags): Promise<Dataset> {
  if (flags.layout === 'mvtec') return datasets.mvtec(root, flags.class ? { classes: flags.class } : {});
  const names = flags.class ?? (await foldersIn(root));
  const classes = await Promise.all(names.map(async (name) => [name, await classIn(root, name)] as const));
  return datasets.folder(Object.fromEntries(classes));
}

async function classIn(root: string, name: string): Promise<FolderClass> {
  const folder = path.join(root, name);
  const there = await foldersIn(folder);
  return Object.fromEntries(
    parts.filter((part) => there.includes(part)).map((part) => [part, path.join(folder, part)]),
  );
}

/** Names of the folders in a folder, sorted: the order of classes is part of what a training run depends on. */
async function foldersIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries
      .filter((entry) => !entry.isFile() && !entry.name.startsWith('.'))
      .map((entry) => entry.name)
      .sort();
  } catch (cause) {
    const message = `Expected a folder at ${folder}: ${(cause as Error).message}`;
    throw new DinomalyError('ERR_FILE_NOT_FOUND', message, { cause });
  }
}
