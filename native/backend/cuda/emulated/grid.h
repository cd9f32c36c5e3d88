// CUDA's execution model on the host: a block's threads are fibers of one system thread, which run in a chosen order
// from one barrier or warp operation to the next. What a race or a missing barrier computes then depends on the order,
// which tests vary; what a kernel writes out of bounds, AddressSanitizer sees.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace dinomaly::emulated {

struct Dim3 {
  unsigned x, y, z;
  constexpr Dim3(unsigned sizeX = 1, unsigned sizeY = 1, unsigned sizeZ = 1) : x(sizeX), y(sizeY), z(sizeZ) {}
};

/// The order in which a block's threads, and a grid's blocks, run between barriers.
enum class Order { forward, backward, shuffled };
void setOrder(Order order);

constexpr unsigned kWarpSize = 32;
constexpr unsigned kMaxThreads = 1024;
constexpr size_t kMaxSharedBytes = 64 * 1024;  // of a block on 7.5; newer devices have more

/// Runs `kernel` once for each thread. Shared memory is filled with NaN before each block. Throws std::runtime_error
/// for a launch that no device takes, and for a barrier or warp operation that not all threads reach.
void runGrid(Dim3 grid, Dim3 block, size_t sharedBytes, const std::function<void()>& kernel);

// Of the running thread.
// In the header, so that no wrapper function stands between a kernel and them.
inline thread_local Dim3 threadIndex, blockIndex, blockSize, gridSize;
void* sharedMemory();
unsigned threadLane();

/// __syncthreads().
void blockBarrier();

/// Meets the other lanes of `mask`, all of which must come with the same mask and size. Each brings `size` bytes, 64 at
/// most; `combine`, if not null, is called once on what all brought, lane by lane, and may change it. Each gets all of
/// that in `lanes`, kWarpSize * size bytes.
void meetWarp(uint32_t mask, const void* bytes, size_t size, void (*combine)(unsigned char* lanes),
              unsigned char* lanes);

}  // namespace dinomaly::emulated
