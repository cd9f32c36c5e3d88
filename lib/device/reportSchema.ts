// What a library's report must look like: it comes from another process, or from a file.
import { z } from 'zod/v3';

const count = z.number().int().min(0);

export const deviceReport = z.strictObject({
  score: count,
  toolkit: count,
  driver: count,
  cublasLt: count,
  cublasLtPath: z.string(),
  devices: z
    .array(
      z.strictObject({
        name: z.string(),
        capability: z.string().regex(/^\d+\.\d+$/),
        processors: count,
        memoryBytes: count,
        freeBytes: count,
        usable: z.boolean(),
      }),
    )
    .max(16),
  problem: z.string(),
});
