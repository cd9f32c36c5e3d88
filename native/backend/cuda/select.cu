#include "backend/cuda/select.h"

namespace dinomaly::cuda {
namespace {

// One block; the values are read four times, n * 4 bytes each, from cache after the first. More blocks would need a
// launch for each pass, which costs more than the reading up to some tens of thousands of values.
__global__ void __launch_bounds__(kSelectThreads)
    kthLargestKernel(float* result, const float* values, int64_t n, int64_t k) {
  const Selected selected = selectKthLargest(values, n, k, sharedMemory<unsigned>());
  if (threadIdx.x == 0) *result = fromOrderedKey(selected.key);
}

}  // namespace

void kthLargest(Stream stream, float* result, const float* values, int64_t n, int64_t k) {
  launch(stream, kthLargestKernel, 1, kSelectThreads, kSelectBytes, result, values, n, k);
}

}  // namespace dinomaly::cuda
