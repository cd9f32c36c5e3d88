export { type InferredNetwork, inferNetwork } from './inferNetwork';
export { type ExpectedTensor, matchWeights } from './matchWeights';
export { openWeights } from './openWeights';
export type { FileTensor, WeightsFile } from './weightsFile';
