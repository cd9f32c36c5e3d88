// What products in bf16 read of parameters, whose own values are f32: copies rounded to bf16, LayerScale multiplied in,
// or where a bias joins an f32 result only the latter.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>

#include "backend/backend.h"
#include "backend/cuda/frozen_weights.h"
#include "backend/cuda/launch.h"

namespace dinomaly::cuda {

class RoundedWeights {
 public:
  RoundedWeights(Backend& backend, const Stream& stream, const FrozenWeights& frozen)
      : backend_(backend), stream_(stream), frozen_(frozen) {}

  /// (rows, cols) = scale (rows) * values, in rows of `stride` with zeros behind, made by the first call; scale may be
  /// null, and values frozen weights. Stays where it is until clear(). Y: bf16 or float.
  template <typename Y = bf16>
  const Y* of(const float* values, const float* scale, int64_t rows, int64_t cols, int64_t stride);
  const bf16* of(const float* values, const float* scale, int64_t rows, int64_t cols) {
    return of(values, scale, rows, cols, cols);
  }
  /// The dense copy in bf16 without a scale, for whoever changes the values and must change it too; null if there is
  /// none.
  bf16* find(const float* values) const;
  size_t count() const { return copies_.size(); }
  /// The values have changed.
  void clear() {
    copies_.clear();
    piece_.reset();
    all_ = left_ = 0;
  }

 private:
  std::shared_ptr<char> place(int64_t bytes);

  Backend& backend_;
  const Stream stream_;
  const FrozenWeights& frozen_;
  // values, scale, whether rows are padded, whether f32
  using Key = std::tuple<const float*, const float*, bool, bool>;
  std::map<Key, std::shared_ptr<char>> copies_;
  // They lie in pieces of memory, since a device gives none of less than some mebibytes: the last, and of bytes how
  // many are left of it and how many have been asked for.
  std::shared_ptr<char> piece_;
  int64_t left_ = 0, all_ = 0;
};

}  // namespace dinomaly::cuda
