// C++ exceptions as JavaScript errors with a code.
#pragma once

#include <napi.h>

#include <exception>

namespace dinomaly {

/// An Error whose `code` is that of dinomaly::Error, ERR_CANCELLED, ERR_OUT_OF_MEMORY or, for the rest, ERR_INTERNAL.
Napi::Error errorOf(Napi::Env env, const std::exception_ptr& exception);

/// Calls a function on behalf of JavaScript; whatever it throws is thrown there.
template <typename Call>
Napi::Value guarded(Napi::Env env, const Call& call) {
  try {
    return call();
  } catch (const Napi::Error&) {
    throw;  // JavaScript's own, from a getter
  } catch (...) {
    throw errorOf(env, std::current_exception());
  }
}

}  // namespace dinomaly
