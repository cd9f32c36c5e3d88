// What one Node environment (the main thread or a worker) has of this addon. Nothing is shared between environments.
#pragma once

#include <napi.h>

#include <functional>
#include <map>
#include <memory>

#include "session/session.h"

namespace dinomaly {

/// News from a compute thread for JavaScript.
class Message {
 public:
  virtual ~Message() = default;
  /// On JavaScript's thread.
  virtual void deliver(Napi::Env env) = 0;
};

class Environment {
 public:
  static std::shared_ptr<Environment> create(Napi::Env env);
  static std::shared_ptr<Environment> of(Napi::Env env);
  ~Environment() = default;
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  /// Calls `start` with a function that sends `message`, once and from any thread. Until the message is delivered the
  /// process stays alive; idle models do not keep it so.
  template <typename Start>
  void expect(std::unique_ptr<Message> message, const Start& start);

  /// The session lives until retire(), or until this environment ends.
  Session* open(ModelConfig config, Session::MakeBackend makeBackend, int64_t batchCap);
  /// Disposes of a session without waiting for it; `after` follows when its thread has ended.
  void retire(Session* session, std::function<void(Napi::Env)> after);
  /// The environment ends: the sessions are gone.
  bool closed() const { return closed_; }

 private:
  Environment() = default;
  void send(Message* message) noexcept;
  void hold();
  void release();
  void close() noexcept;
  static void deliver(napi_env env, napi_value, void* environment, void* message);

  napi_env env_ = nullptr;
  napi_threadsafe_function queue_ = nullptr;
  size_t expected_ = 0;
  bool closed_ = false;
  std::map<Session*, std::unique_ptr<Session>> sessions_;
};

template <typename Start>
void Environment::expect(std::unique_ptr<Message> message, const Start& start) {
  Message* const sent = message.get();
  hold();
  try {
    start([this, sent]() noexcept { send(sent); });
  } catch (...) {
    release();
    throw;
  }
  message.release();  // send() has it, or will
}

}  // namespace dinomaly
