#include "addon/results.h"

namespace dinomaly {

Napi::Value toJs(Napi::Env env, Tensor&& tensor) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("data", toTypedArray(env, std::move(tensor.data)));
  object.Set("shape", toJs(env, tensor.shape));
  return object;
}

Napi::Value toJs(Napi::Env env, const std::vector<int64_t>& integers) {
  Napi::Array array = Napi::Array::New(env, integers.size());
  for (uint32_t i = 0; i < integers.size(); ++i) array.Set(i, Napi::Number::New(env, static_cast<double>(integers[i])));
  return array;
}

}  // namespace dinomaly
