export { Dinomaly } from './dinomaly';
export { DinomalyError, errorCodes, type ErrorCode } from './errors';
export * as datasets from './data';
export * as inspect from './inspect';
export * as metrics from './metrics';
export type * from './types';
export type { FolderClass } from './data/folder';
export type { FileReport, MachineReport, TensorReport } from './inspect';
export type { InferredNetwork } from './weights';
