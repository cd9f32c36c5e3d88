#include "backend/cuda/emulated/fiber.h"

#include <cstdint>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// Saves the registers that a called function must keep, and the stack, and loads another's. (ucontext would ask the
// kernel for the signal mask each time, which takes longer than most kernels between two barriers.)
extern "C" void dinomalySwitchStack(void** savedTop, void* newTop);
#if defined(__x86_64__)
asm(R"(
.text
.type dinomalySwitchStack, @function
dinomalySwitchStack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size dinomalySwitchStack, .-dinomalySwitchStack
)");
#elif defined(__aarch64__)
asm(R"(
.text
.type dinomalySwitchStack, %function
dinomalySwitchStack:
  sub sp, sp, #160
  stp x19, x20, [sp]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size dinomalySwitchStack, .-dinomalySwitchStack
)");
#else
#error "the emulation of CUDA's threads is written for x86-64 and AArch64"
#endif

namespace dinomaly::emulated {
namespace {

constexpr size_t kStackBytes = 64 * 1024;
constexpr size_t kSavedRegisters = sizeof(void*) == 8 ? 20 : 10;  // words, as many as either switch saves

thread_local Fiber* running = nullptr;

}  // namespace

Fiber::Fiber() : stack_(std::make_unique<unsigned char[]>(kStackBytes)) {}

void Fiber::begin(std::function<void()> body) {
  body_ = std::move(body);
#if defined(__SANITIZE_ADDRESS__)
  ASAN_UNPOISON_MEMORY_REGION(stack_.get(), kStackBytes);  // frames that were forgotten
#endif
  const auto end = reinterpret_cast<uintptr_t>(stack_.get() + kStackBytes) & ~uintptr_t{15};
  auto* top = reinterpret_cast<void**>(end);
#if defined(__x86_64__)
  *--top = nullptr;  // where enter() would return to; also what its stack's alignment wants
  *--top = reinterpret_cast<void*>(&Fiber::enter);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
#else
  top -= kSavedRegisters;
  for (size_t i = 0; i < kSavedRegisters; ++i) top[i] = nullptr;
  top[11] = reinterpret_cast<void*>(&Fiber::enter);  // x30
#endif
  top_ = top;
}

void Fiber::resume() {
  Fiber* const outer = std::exchange(running, this);
#if defined(__SANITIZE_ADDRESS__)
  void* shadow = nullptr;
  __sanitizer_start_switch_fiber(&shadow, stack_.get(), kStackBytes);
#endif
  dinomalySwitchStack(&caller_, top_);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(shadow, nullptr, nullptr);
#endif
  running = outer;
}

void Fiber::suspend() {
  Fiber* const self = running;
#if defined(__SANITIZE_ADDRESS__)
  void* shadow = nullptr;
  __sanitizer_start_switch_fiber(&shadow, self->callersStack_, self->callersSize_);
#endif
  dinomalySwitchStack(&self->top_, self->caller_);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(shadow, &self->callersStack_, &self->callersSize_);
#endif
}

void Fiber::enter() {
  Fiber* const self = running;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &self->callersStack_, &self->callersSize_);
#endif
  self->body_();
  suspend();  // for good: begin() forgets this stack
}

}  // namespace dinomaly::emulated
