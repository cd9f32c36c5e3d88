#include <string>

#include "backend/cuda/memory.h"
#include "backend/cuda/stream.h"
#include "core/error.h"

namespace dinomaly::cuda {
namespace {

/// Whether there was enough; throws for anything else that fails.
bool wasEnough(cudaError_t status, const char* what) {
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // or the next launch would report it
    return false;
  }
  check(status, what);
  return true;
}

}  // namespace

void* takeMemory(size_t bytes) {
  const BesideRecording guard;
  void* memory = nullptr;
  return wasEnough(cudaMalloc(&memory, bytes), "cudaMalloc") ? memory : nullptr;
}

void giveMemory(void* memory) noexcept {
  const BesideRecording guard;
  cudaFree(memory);  // fails only where the device is lost, and its memory with it
}

void* takePinned(size_t bytes) {
  const BesideRecording guard;
  void* memory = nullptr;
  return wasEnough(cudaMallocHost(&memory, bytes), "cudaMallocHost") ? memory : nullptr;
}

void givePinned(void* memory) noexcept {
  const BesideRecording guard;
  cudaFreeHost(memory);  // fails as cudaFree does
}

MemoryState memoryState() {
  const BesideRecording guard;
  size_t free = 0, all = 0;
  check(cudaMemGetInfo(&free, &all), "asking for free memory");
  return {static_cast<int64_t>(free), static_cast<int64_t>(all)};
}

void copyOnDevice(Stream stream, void* to, const void* from, size_t bytes) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream), "a copy on the device");
}

void fillWithZero(Stream stream, void* to, size_t bytes) {
  check(cudaMemsetAsync(to, 0, bytes, stream), "filling with zero");
}

DeviceMemory::DeviceMemory(size_t bytes) : data_(takeMemory(bytes)) {
  if (!data_) {
    throw Error("ERR_OUT_OF_MEMORY", "expected " + std::to_string(bytes >> 20) + " MiB of free device memory, found " +
                                         std::to_string(memoryState().freeBytes >> 20) + " MiB");
  }
}

PinnedMemory::PinnedMemory(size_t bytes) : data_(takePinned(bytes)) {
  if (!data_) {
    throw Error("ERR_OUT_OF_MEMORY",
                "expected " + std::to_string(bytes >> 20) + " MiB of memory that can be pinned, found less");
  }
}

}  // namespace dinomaly::cuda
