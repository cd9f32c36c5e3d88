// Results out: C++ values as JavaScript's.
#pragma once

#include <napi.h>

#include <algorithm>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "session/tensor.h"

namespace dinomaly {

/// Up to this many bytes are copied into JavaScript's memory, whose buffers can be transferred to other threads.
constexpr size_t kCopiedBytes = 1 << 20;

/// The numbers as a typed array; large ones on the vector's own memory: results may be hundreds of megabytes, and
/// copying them would hold up the event loop.
template <typename T>
Napi::Value toTypedArray(Napi::Env env, std::vector<T>&& values) {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, uint8_t>);
  const size_t size = values.size(), bytes = size * sizeof(T);
  if (bytes <= kCopiedBytes) {
    auto array = Napi::TypedArrayOf<T>::New(env, size);
    std::copy(values.begin(), values.end(), array.Data());
    return array;
  }
  auto owner = std::make_unique<std::vector<T>>(std::move(values));
  const auto buffer = Napi::ArrayBuffer::New(
      env, owner->data(), bytes,
      [](Napi::Env, void*, std::vector<T>* given) { std::unique_ptr<std::vector<T>>(given).reset(); }, owner.get());
  owner.release();  // the finalizer has it now
  return Napi::TypedArrayOf<T>::New(env, size, buffer, 0);
}

/// { data: Float32Array, shape: number[] }
Napi::Value toJs(Napi::Env env, Tensor&& tensor);
Napi::Value toJs(Napi::Env env, const std::vector<int64_t>& integers);

}  // namespace dinomaly
