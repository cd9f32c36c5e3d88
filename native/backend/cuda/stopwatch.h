// How long what a stream does takes on the device.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include "backend/cuda/launch.h"

namespace dinomaly::cuda {

/// Marks between the things that a stream is given; nothing waits until the times are asked for, so that the device
/// need not wait for the host in between. Not while a stream is recorded.
class Stopwatch {
 public:
  /// For at most `marks` of them.
  explicit Stopwatch(size_t marks);

  void mark(Stream stream);
  /// Between each mark and the next, in milliseconds; on the emulated device in the units of cuBLASLt's costs there.
  std::vector<float> laps() const;

 private:
#if defined(__CUDACC__)
  struct Destroy {
    void operator()(cudaEvent_t event) const noexcept { ignore(cudaEventDestroy(event)); }
  };
  std::vector<std::unique_ptr<std::remove_pointer_t<cudaEvent_t>, Destroy>> events_;
  size_t marked_ = 0;
#else
  std::vector<uint64_t> times_;
#endif
};

}  // namespace dinomaly::cuda
