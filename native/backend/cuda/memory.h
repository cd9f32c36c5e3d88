// Memory of the device, pinned memory of the host, and what is done with the former in a stream. The ways between host
// and device are staging.h's.
#pragma once

#include <cstddef>

#include "backend/buffer_pool.h"
#include "backend/cuda/launch.h"

namespace dinomaly::cuda {

/// Null where there is not enough. These may be called while a stream is recorded, and are not recorded.
void* takeMemory(size_t bytes);
void giveMemory(void* memory) noexcept;

/// Of the host, which the device copies from and to by itself.
void* takePinned(size_t bytes);
void givePinned(void* memory) noexcept;

/// How much of the device's memory is free.
MemoryState memoryState();
size_t freeMemory();

/// For pools.
constexpr BufferPool::Source kDeviceMemory{takeMemory, giveMemory, "device memory", freeMemory};
constexpr BufferPool::Source kPinnedMemory{takePinned, givePinned, "memory that can be pinned"};

void copyOnDevice(Stream stream, void* to, const void* from, size_t bytes);
void fillWithZero(Stream stream, void* to, size_t bytes);

/// A piece of the device's memory, freed in the end.
class DeviceMemory {
 public:
  /// Throws ERR_OUT_OF_MEMORY.
  explicit DeviceMemory(size_t bytes);
  ~DeviceMemory() { giveMemory(data_); }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  void* data() const { return data_; }

 private:
  void* data_;
};

/// A piece of pinned memory, freed in the end.
class PinnedMemory {
 public:
  /// Throws ERR_OUT_OF_MEMORY.
  explicit PinnedMemory(size_t bytes);
  ~PinnedMemory() { givePinned(data_); }
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;
  void* data() const { return data_; }

 private:
  void* data_;
};

}  // namespace dinomaly::cuda
