#include "addon/cancel_token.h"

#include "core/error.h"

namespace dinomaly {
namespace {

// Tells this class's objects from other addons' wrapped objects.
constexpr napi_type_tag kTag = {0x6c8b1d4f0a9e4d27, 0x9f13b7e25c604ea8};

}  // namespace

Napi::Function CancelTokenObject::define(Napi::Env env) {
  return DefineClass(env, "CancelToken", {InstanceMethod<&CancelTokenObject::cancel>("cancel")});
}

CancelTokenObject::CancelTokenObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<CancelTokenObject>(info) {
  info.This().As<Napi::Object>().TypeTag(&kTag);
}

CancelToken CancelTokenObject::from(Napi::Value value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTag)) {
    throw Error("ERR_INVALID_ARGUMENT", "'cancel': expected a CancelToken, found something else.");
  }
  return Unwrap(value.As<Napi::Object>())->token_;
}

void CancelTokenObject::cancel(const Napi::CallbackInfo&) {
  token_.cancel();
}

}  // namespace dinomaly
