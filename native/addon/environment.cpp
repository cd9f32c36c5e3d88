#include "addon/environment.h"

#include <utility>

namespace dinomaly {
namespace {

/// A session's thread has ended.
class Farewell : public Message {
 public:
  Farewell(std::function<void(Napi::Env)> after) : after_(std::move(after)) {}
  void deliver(Napi::Env env) override { after_(env); }

 private:
  std::function<void(Napi::Env)> after_;
};

void check(napi_env env, napi_status status) {
  if (status != napi_ok) throw Napi::Error::New(env);
}

}  // namespace

std::shared_ptr<Environment> Environment::create(Napi::Env env) {
  const std::shared_ptr<Environment> environment(new Environment());
  environment->env_ = env;
  check(env, napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "dinomaly"), 0, 1, nullptr,
                                             nullptr, environment.get(), deliver, &environment->queue_));
  check(env, napi_unref_threadsafe_function(env, environment->queue_));
  env.SetInstanceData(std::make_unique<std::shared_ptr<Environment>>(environment).release());
  // Hooks run in reverse order: this one before the queue's own, so that compute threads never meet a queue that is
  // gone.
  env.AddCleanupHook([](Environment* ending) { ending->close(); }, environment.get());
  // process.exit() skips the hooks of the main thread and runs the exit handlers of oneDNN, which free machine code
  // that a compute thread may be in the middle of. The event comes before.
  const auto process = env.Global().Get("process").As<Napi::Object>();
  const auto close = [environment = environment.get()](const Napi::CallbackInfo&) { environment->close(); };
  process.Get("once").As<Napi::Function>().Call(process,
                                                {Napi::String::New(env, "exit"), Napi::Function::New(env, close)});
  return environment;
}

std::shared_ptr<Environment> Environment::of(Napi::Env env) {
  return *env.GetInstanceData<std::shared_ptr<Environment>>();
}

Session* Environment::open(ModelConfig config, Session::MakeBackend makeBackend, int64_t batchCap) {
  if (closed_) std::rethrow_exception(disposedError());
  auto session = std::make_unique<Session>(std::move(config), std::move(makeBackend), batchCap);
  Session* const opened = session.get();
  sessions_.emplace(opened, std::move(session));
  return opened;
}

void Environment::retire(Session* session, std::function<void(Napi::Env)> after) {
  auto farewell = std::make_unique<Farewell>([this, session, after = std::move(after)](Napi::Env env) {
    sessions_.erase(session);  // joins a thread that is at its end
    after(env);
  });
  expect(std::move(farewell), [session](auto send) { session->dispose(send); });
}

void Environment::hold() {
  if (expected_++ == 0) napi_ref_threadsafe_function(env_, queue_);
}

void Environment::release() {
  if (--expected_ == 0) napi_unref_threadsafe_function(env_, queue_);
}

void Environment::send(Message* message) noexcept {
  std::unique_ptr<Message> owner(message);
  if (napi_call_threadsafe_function(queue_, message, napi_tsfn_nonblocking) == napi_ok) owner.release();
}

void Environment::deliver(napi_env env, napi_value, void* environment, void* data) {
  const std::unique_ptr<Message> message(static_cast<Message*>(data));
  if (env == nullptr) return;  // the environment ends
  static_cast<Environment*>(environment)->release();
  try {
    message->deliver(env);
  } catch (...) {
    // Promises take errors. What still arrives here is that JavaScript cannot run any more: a worker was terminated.
  }
}

void Environment::close() noexcept {
  closed_ = true;
  for (auto& [session, owner] : sessions_) session->dispose({});  // all first: they end side by side
  sessions_.clear();  // waits: at most until each one's current operation is over
}

}  // namespace dinomaly
