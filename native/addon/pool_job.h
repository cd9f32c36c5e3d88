// Work on libuv's thread pool, for functions that need no model.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "addon/pending.h"
#include "session/outcome.h"

namespace dinomaly {

template <typename T>
class PoolJob : public Napi::AsyncWorker {
 public:
  /// A promise for what `work` returns on a thread of the pool. `inputs` are what it reads: they do not become garbage
  /// before it is done, and must not be changed or transferred by then.
  static Napi::Value start(Napi::Env env, const std::vector<Napi::Object>& inputs, std::function<T()> work,
                           Convert<T> convert) {
    std::unique_ptr<PoolJob> job(new PoolJob(env, inputs, std::move(work), convert));
    const Napi::Promise promise = job->deferred_.Promise();
    job->Queue();
    job.release();  // deletes itself when done
    return promise;
  }

 private:
  PoolJob(Napi::Env env, const std::vector<Napi::Object>& inputs, std::function<T()> work, Convert<T> convert)
      : Napi::AsyncWorker(env, "dinomaly"),
        deferred_(Napi::Promise::Deferred::New(env)),
        work_(std::move(work)),
        convert_(convert) {
    for (const Napi::Object& input : inputs) inputs_.push_back(Napi::Persistent(input));
  }

  void Execute() override {
    try {
      outcome_.value = work_();
    } catch (...) {
      outcome_.error = std::current_exception();
    }
  }

  void OnOK() override { settle(Env(), deferred_, std::move(outcome_), convert_); }

  Napi::Promise::Deferred deferred_;
  std::vector<Napi::ObjectReference> inputs_;
  std::function<T()> work_;
  Convert<T> convert_;
  Outcome<T> outcome_;
};

}  // namespace dinomaly
