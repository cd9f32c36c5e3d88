// A function with a stack of its own that can stop in its middle and go on later, on the same system thread.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace dinomaly::emulated {

class Fiber {
 public:
  Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// From now on resume() begins this body, which must not throw; what was left of an earlier one is forgotten,
  /// destructors and all.
  void begin(std::function<void()> body);
  /// Runs the body until it suspends or ends.
  void resume();
  /// From inside a body: returns to whoever resumed it.
  static void suspend();

 private:
  static void enter();

  std::function<void()> body_;
  std::unique_ptr<unsigned char[]> stack_;
  void* top_ = nullptr;     // of its own stack, while it is suspended
  void* caller_ = nullptr;  // of the stack that resumed it
  const void* callersStack_ = nullptr;
  size_t callersSize_ = 0;
};

}  // namespace dinomaly::emulated
