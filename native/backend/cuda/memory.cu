#include <optional>

#include "backend/cuda/memory.h"
#include "backend/cuda/stream.h"
#include "core/out_of_memory.h"

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
  ignore(cudaFree(memory));
}

void* takePinned(size_t bytes) {
  const BesideRecording guard;
  void* memory = nullptr;
  return wasEnough(cudaMallocHost(&memory, bytes), "cudaMallocHost") ? memory : nullptr;
}

void givePinned(void* memory) noexcept {
  const BesideRecording guard;
  ignore(cudaFreeHost(memory));
}

MemoryState memoryState() {
  const BesideRecording guard;
  size_t free = 0, all = 0;
  check(cudaMemGetInfo(&free, &all), "asking for free memory");
  return {static_cast<int64_t>(free), static_cast<int64_t>(all)};
}

size_t freeMemory() {
  return static_cast<size_t>(memoryState().freeBytes);
}

void copyOnDevice(Stream stream, void* to, const void* from, size_t bytes) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream), "a copy on the device");
}

void fillWithZero(Stream stream, void* to, size_t bytes) {
  check(cudaMemsetAsync(to, 0, bytes, stream), "filling with zero");
}

DeviceMemory::DeviceMemory(size_t bytes) : data_(takeMemory(bytes)) {
  if (!data_) throw outOfMemory(kDeviceMemory.kind, bytes, freeMemory());
}

PinnedMemory::PinnedMemory(size_t bytes) : data_(takePinned(bytes)) {
  if (!data_) throw outOfMemory(kPinnedMemory.kind, bytes, std::nullopt);
}

}  // namespace dinomaly::cuda
