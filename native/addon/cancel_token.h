// JavaScript's CancelToken.
#pragma once

#include <napi.h>

#include "core/cancel.h"

namespace dinomaly {

class CancelTokenObject : public Napi::ObjectWrap<CancelTokenObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit CancelTokenObject(const Napi::CallbackInfo& info);

  /// Throws ERR_INVALID_ARGUMENT when `value` is none.
  static CancelToken from(Napi::Value value);

 private:
  void cancel(const Napi::CallbackInfo& info);

  CancelToken token_;
};

}  // namespace dinomaly
