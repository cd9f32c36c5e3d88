import type { DeviceReport } from '../addon';

/** What was looked for at one place. */
export interface Look {
  /** The file's name. */
  file: string;
  /** `LD_LIBRARY_PATH`, for instance. */
  place: string;
  /** Every path that was looked at; null: left to the system's loader. */
  paths: string[] | null;
  found: string[];
}

/** A library of CUDA kernels, with a cuBLASLt to go with it. */
export interface Pair {
  library: string;
  /** Null: by its name, as the system's loader finds it. */
  cublasLt: string | null;
}

/** What a test in a process of its own made of a pair. */
export interface Tested extends Pair {
  /** What the library says; null: it said nothing that can be used. */
  report: DeviceReport | null;
  /** Why it cannot be taken; empty: it can. */
  problem: string;
}

/** A tested pair, and whether a model would take it. */
export interface CudaCandidate extends Tested {
  taken: boolean;
  /** Why it is taken or not. */
  why: string;
}

/** What was looked for to compute on a GPU, what was found, and what is taken. */
export interface CudaReport {
  /** What `device: 'cuda'` takes; null: nothing. */
  device: `cuda:${number}` | null;
  /** NVIDIA's kernel driver, as it names itself; null: there is none. */
  driver: string | null;
  looked: Look[];
  candidates: CudaCandidate[];
  /** All of it in words, as the error of `device: 'cuda'` says it. */
  text: string;
}
