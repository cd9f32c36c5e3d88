// Results out: C++ values as JavaScript's.
#pragma once

#include <napi.h>

#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "session/tensor.h"

namespace dinomaly {

/// The numbers as a typed array that lies on the vector's own memory: results may be hundreds of megabytes, and copying
/// them would hold up the event loop.
template <typename T>
Napi::Value toTypedArray(Napi::Env env, std::vector<T>&& values) {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, uint8_t>);
  if (values.empty()) return Napi::TypedArrayOf<T>::New(env, 0);
  auto owner = std::make_unique<std::vector<T>>(std::move(values));
  T* const data = owner->data();
  const size_t size = owner->size();
  const auto buffer = Napi::ArrayBuffer::New(
      env, data, size * sizeof(T),
      [](Napi::Env, void*, std::vector<T>* given) { std::unique_ptr<std::vector<T>>(given).reset(); }, owner.get());
  owner.release();  // the finalizer has it now
  return Napi::TypedArrayOf<T>::New(env, size, buffer, 0);
}

/// { data: Float32Array, shape: number[] }
Napi::Value toJs(Napi::Env env, Tensor&& tensor);
Napi::Value toJs(Napi::Env env, const std::vector<int64_t>& integers);

}  // namespace dinomaly
