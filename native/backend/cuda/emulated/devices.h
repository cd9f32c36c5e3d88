// The emulated devices: what is alive on each, how much memory it has, and how it fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <set>
#include <unordered_map>

#include "backend/cuda/emulated/runtime.h"

namespace dinomaly::emulated {

constexpr int kMostDevices = 2;
constexpr size_t kMemoryBytes = size_t{1} << 30;  // of a device; as much of the host's can be pinned for it

/// What is alive on a device.
struct Held {
  size_t memoryBytes = 0, pinnedBytes = 0;
  int64_t streams = 0, events = 0, graphs = 0;
  bool operator==(const Held& other) const {
    return memoryBytes == other.memoryBytes && pinnedBytes == other.pinnedBytes && streams == other.streams &&
           events == other.events && graphs == other.graphs;
  }
};
Held held(int device);

// What may be wrong, until restore().
/// What is held already counts.
void limitMemory(int device, size_t bytes);
void limitPinned(int device, size_t bytes);
/// After `calls` calls more all fail with `error`, and what the device has still to do is dropped. What is given back
/// then is put away, though the call says otherwise.
void loseDevice(int device, cudaError_t error, int64_t calls = 0);
struct Machine {
  int driver = 13000, devices = kMostDevices;
  bool codeFits = true;  // whether devices can run the library's kernels
};
void setMachine(const Machine& machine);
void restore();

// For the runtime.
struct Line;
struct Block {
  size_t bytes;
  bool pinned;
};

struct Device {
  std::recursive_mutex mutex;  // work that a device does makes calls, too
  Held held;
  size_t mostMemory = kMemoryBytes, mostPinned = kMemoryBytes;
  int64_t callsLeft = -1;  // before it is lost; -1: it will not be
  cudaError_t lostWith = cudaSuccess;
  bool isLost = false;
  std::unordered_map<void*, Block> blocks;
  std::set<Line*> lines;
};
Device& deviceAt(int device);
const Machine& machine();

/// A call that reaches a device, which has it for itself meanwhile.
class Call {
 public:
  explicit Call(int device);
  Device& device() const { return device_; }
  /// Of the device, if it is lost.
  cudaError_t status() const { return device_.isLost ? device_.lostWith : cudaSuccess; }

 private:
  Device& device_;
  std::lock_guard<std::recursive_mutex> lock_;
};

}  // namespace dinomaly::emulated
