#include "addon/errors.h"

#include <new>
#include <string>

#include "core/cancel.h"
#include "core/error.h"

namespace dinomaly {
namespace {

Napi::Error make(Napi::Env env, const std::string& code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

}  // namespace

Napi::Error errorOf(Napi::Env env, const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const Error& e) {
    return make(env, e.code(), e.what());
  } catch (const Cancelled&) {
    return make(env, "ERR_CANCELLED", "The call was cancelled.");
  } catch (const std::bad_alloc&) {
    return make(env, "ERR_OUT_OF_MEMORY",
                "Memory ran out. Use a smaller encoder, picture or batch, or a machine with more memory.");
  } catch (const std::exception& e) {
    return make(env, "ERR_INTERNAL", std::string("Unexpected: ") + e.what());
  } catch (...) {
    return make(env, "ERR_INTERNAL", "Unexpected: an unknown exception.");
  }
}

}  // namespace dinomaly
