// What products of bytes read of linear layers' weights, whose own values are f32: copies of 8 bits, a scale for each
// output.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "backend/cpu/int8_product.h"
#include "core/thread_pool.h"

namespace dinomaly {

/// Weights (out,in), rounded: about scale[o] * the bytes of row o.
struct ByteWeights {
  std::shared_ptr<void> bytes;  // packed, kByteColumns outputs after kByteColumns outputs
  std::vector<int64_t> blocks;  // where each of those begins
  std::vector<float> scales;    // (out)
  std::vector<int32_t> sums;    // (out), of the bytes

  const int8_t* block(int64_t i) const {
    return static_cast<const int8_t*>(bytes.get()) + blocks[static_cast<size_t>(i)];
  }
};

class Int8Weights {
 public:
  using Allocate = std::function<std::shared_ptr<void>(int64_t bytes)>;
  Int8Weights(ThreadPool& threads, Allocate allocate) : threads_(threads), allocate_(std::move(allocate)) {}

  /// Of panels (panels.h), made by the first call. Stays where it is until it is dropped.
  const ByteWeights& of(const float* panels, int64_t in, int64_t out);
  /// These values have changed, or all.
  void drop(const float* panels) { copies_.erase(panels); }
  void clear() { copies_.clear(); }

 private:
  ByteWeights round(const float* panels, int64_t in, int64_t out);

  ThreadPool& threads_;
  const Allocate allocate_;
  std::map<const float*, ByteWeights> copies_;
};

}  // namespace dinomaly
