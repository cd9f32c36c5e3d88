#include "addon/device_functions.h"

#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <string>

#include "addon/errors.h"
#include "addon/values.h"
#include "backend/library/open.h"
#include "core/error.h"

namespace dinomaly {
namespace {

using library::Report;

/// Text of a fixed field, which a library may have filled to the brim.
template <size_t size>
Napi::String text(Napi::Env env, const char (&field)[size]) {
  return Napi::String::New(env, field, strnlen(field, size));
}

Napi::Number number(Napi::Env env, uint64_t value) {
  return Napi::Number::New(env, static_cast<double>(value));
}

Napi::Object toJs(Napi::Env env, const library::Device& device) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", text(env, device.name));
  object.Set("capability", std::to_string(device.major) + "." + std::to_string(device.minor));
  object.Set("processors", Napi::Number::New(env, device.processors));
  object.Set("memoryBytes", number(env, device.memoryBytes));
  object.Set("freeBytes", number(env, device.freeBytes));
  object.Set("usable", Napi::Boolean::New(env, device.usable != 0));
  return object;
}

Napi::Object toJs(Napi::Env env, int32_t score, const Report& report) {
  const int32_t count = std::clamp(report.deviceCount, 0, library::kMostDevices);
  Napi::Array devices = Napi::Array::New(env, static_cast<size_t>(count));
  for (int32_t i = 0; i < count; ++i) devices.Set(static_cast<uint32_t>(i), toJs(env, report.devices[i]));
  Napi::Object object = Napi::Object::New(env);
  object.Set("score", Napi::Number::New(env, score));
  object.Set("toolkit", Napi::Number::New(env, report.toolkit));
  object.Set("driver", Napi::Number::New(env, report.driver));
  object.Set("cublasLt", number(env, report.cublasLt));
  object.Set("cublasLtPath", text(env, report.cublasLtPath));
  object.Set("devices", devices);
  object.Set("problem", text(env, report.problem));
  return object;
}

Napi::Value deviceReport(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    const std::string path = toPath(info[0], "library");
    const std::string cublasLt = info[1].IsNull() ? "" : toPath(info[1], "cublasLt");
    const auto report = std::make_unique<Report>();
    const int32_t score = openLibrary(path).score(cublasLt.empty() ? nullptr : cublasLt.c_str(), report.get());
    return toJs(env, score, *report);
  });
}

Napi::Value endWithParent(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
      throw Error("ERR_INTERNAL", std::string("prctl: expected to end with the parent, found: ") + strerror(errno));
    }
    return env.Undefined();
  });
}

}  // namespace

void defineDeviceFunctions(Napi::Env env, Napi::Object exports) {
  exports.Set("deviceReport", Napi::Function::New<deviceReport>(env, "deviceReport"));
  exports.Set("endWithParent", Napi::Function::New<endWithParent>(env, "endWithParent"));
}

}  // namespace dinomaly
