export { Dinomaly } from './dinomaly';
export { DinomalyError, errorCodes, type ErrorCode } from './errors';
export * as datasets from './data';
export * as metrics from './metrics';
export type * from './types';
export type { FolderClass } from './data/folder';
