// A promise that a compute thread settles.
#pragma once

#include <napi.h>

#include <utility>

#include "addon/environment.h"
#include "addon/errors.h"
#include "session/outcome.h"

namespace dinomaly {

/// Makes a job's value a JavaScript value.
template <typename T>
using Convert = Napi::Value (*)(Napi::Env, T&&);

template <typename T>
void settle(Napi::Env env, const Napi::Promise::Deferred& deferred, Outcome<T>&& outcome, Convert<T> convert) {
  try {
    if (outcome.error) {
      deferred.Reject(errorOf(env, outcome.error).Value());
    } else {
      deferred.Resolve(convert(env, std::move(outcome.value)));
    }
  } catch (const Napi::Error& e) {  // no room for the value in JavaScript's heap
    deferred.Reject(e.Value());
  } catch (...) {  // or in C++'s
    deferred.Reject(errorOf(env, std::current_exception()).Value());
  }
}

template <typename T>
class Pending : public Message {
 public:
  /// `owner` has one reference more until this is delivered.
  Pending(Napi::Env env, Napi::Reference<Napi::Object>& owner, Convert<T> convert)
      : deferred_(Napi::Promise::Deferred::New(env)), owner_(owner), convert_(convert) {}

  Napi::Promise promise() const { return deferred_.Promise(); }
  void set(Outcome<T> outcome) { outcome_ = std::move(outcome); }

  void deliver(Napi::Env env) override {
    owner_.Unref();
    settle(env, deferred_, std::move(outcome_), convert_);
  }

 private:
  Napi::Promise::Deferred deferred_;
  Napi::Reference<Napi::Object>& owner_;
  Convert<T> convert_;
  Outcome<T> outcome_;
};

}  // namespace dinomaly
