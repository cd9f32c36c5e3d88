#include <cstdlib>
#include <cstring>
#include <string>

#include "backend/cuda/memory.h"
#include "core/error.h"

namespace dinomaly::cuda {

DeviceMemory::DeviceMemory(size_t bytes) : data_(takeMemory(bytes)) {
  if (!data_) {
    throw Error("ERR_OUT_OF_MEMORY", "expected " + std::to_string(bytes >> 20) + " MiB of free device memory, found " +
                                         std::to_string(freeMemory() >> 20) + " MiB");
  }
}

#if defined(__CUDACC__)

void* takeMemory(size_t bytes) {
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // or the next launch would report it
    return nullptr;
  }
  check(status, "cudaMalloc");
  return memory;
}

void giveMemory(void* memory) noexcept {
  cudaFree(memory);  // fails only where the device is lost, and its memory with it
}

size_t freeMemory() {
  size_t free = 0, all = 0;
  return cudaMemGetInfo(&free, &all) == cudaSuccess ? free : 0;
}

void toDevice(Stream stream, void* to, const void* from, size_t bytes) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream), "a copy to the device");
}

void toHost(Stream stream, void* to, const void* from, size_t bytes) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream), "a copy to the host");
  check(cudaStreamSynchronize(stream), "waiting for the device");
}

void copyOnDevice(Stream stream, void* to, const void* from, size_t bytes) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream), "a copy on the device");
}

void fillWithZero(Stream stream, void* to, size_t bytes) {
  check(cudaMemsetAsync(to, 0, bytes, stream), "filling with zero");
}

#else

void* takeMemory(size_t bytes) {
  return std::aligned_alloc(64, (bytes + 63) / 64 * 64);
}

void giveMemory(void* memory) noexcept {
  std::free(memory);
}

size_t freeMemory() {
  return 0;
}

void toDevice(Stream, void* to, const void* from, size_t bytes) {
  std::memcpy(to, from, bytes);
}

void toHost(Stream, void* to, const void* from, size_t bytes) {
  std::memcpy(to, from, bytes);
}

void copyOnDevice(Stream, void* to, const void* from, size_t bytes) {
  std::memcpy(to, from, bytes);
}

void fillWithZero(Stream, void* to, size_t bytes) {
  std::memset(to, 0, bytes);
}

#endif

}  // namespace dinomaly::cuda
