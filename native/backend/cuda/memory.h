// Memory of the device, and the ways to and from it.
#pragma once

#include <cstddef>

#include "backend/cuda/launch.h"

namespace dinomaly::cuda {

/// Null where there is not enough.
void* takeMemory(size_t bytes);
void giveMemory(void* memory) noexcept;
/// Bytes that are free, for messages.
size_t freeMemory();

void toDevice(Stream stream, void* to, const void* from, size_t bytes);
/// Waits until it is done.
void toHost(Stream stream, void* to, const void* from, size_t bytes);
void copyOnDevice(Stream stream, void* to, const void* from, size_t bytes);
void fillWithZero(Stream stream, void* to, size_t bytes);

/// A piece of it, freed in the end.
class DeviceMemory {
 public:
  /// Throws ERR_OUT_OF_MEMORY with what was needed and free.
  explicit DeviceMemory(size_t bytes);
  ~DeviceMemory() { giveMemory(data_); }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  void* data() const { return data_; }

 private:
  void* data_;
};

}  // namespace dinomaly::cuda
