// The module that Node loads. Its contract is lib/addon.ts.
#include <napi.h>

#include <string>
#include <thread>
#include <vector>

#include "addon/cancel_token.h"
#include "addon/device_functions.h"
#include "addon/environment.h"
#include "addon/image_functions.h"
#include "addon/machine.h"
#include "addon/metric_functions.h"
#include "addon/model.h"
#include "backend/backend.h"

namespace dinomaly {
namespace {

Napi::Value info(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  return guarded(env, [&] {
    const std::vector<std::string> names = nvidiaGpus();
    Napi::Array gpus = Napi::Array::New(env, names.size());
    for (uint32_t i = 0; i < names.size(); ++i) gpus.Set(i, Napi::String::New(env, names[i]));
    Napi::Object object = Napi::Object::New(env);
    object.Set("isa", Napi::String::New(env, instructionSet()));
    object.Set("threads", Napi::Number::New(env, std::thread::hardware_concurrency()));
    object.Set("oneDNN", Napi::String::New(env, oneDnnVersion()));
    object.Set("gpus", gpus);
    return object;
  });
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  Environment::create(env);
  exports.Set("Model", Model::define(env));
  exports.Set("CancelToken", CancelTokenObject::define(env));
  exports.Set("info", Napi::Function::New<info>(env, "info"));
  defineDeviceFunctions(env, exports);
  defineImageFunctions(env, exports);
  defineMetricFunctions(env, exports);
  return exports;
}

}  // namespace
}  // namespace dinomaly

NAPI_MODULE_INIT() {
  return Napi::RegisterModule(env, exports, dinomaly::initialise);
}
