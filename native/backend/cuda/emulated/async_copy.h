// async_copy.h on the host. Between start() and wait() the destination holds NaN, so that reading it too early shows,
// and copying over what others still read as well.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>

namespace dinomaly::cuda {

class AsyncCopies {
 public:
  void start(void* to, const void* from, bool inside) {
    if ((reinterpret_cast<uintptr_t>(to) | reinterpret_cast<uintptr_t>(from)) % kBytes) {
      throw std::runtime_error("an asynchronous copy that is not aligned to 16 bytes");
    }
    if (count_ == kMost) throw std::logic_error("too many asynchronous copies at once for the emulation");
    std::memset(to, 0xFF, kBytes);
    copies_[count_++] = {to, inside ? from : nullptr};
  }

  void wait() {
    for (int i = 0; i < count_; ++i) {
      if (copies_[i].from) {
        std::memcpy(copies_[i].to, copies_[i].from, kBytes);
      } else {
        std::memset(copies_[i].to, 0, kBytes);
      }
    }
    count_ = 0;
  }

 private:
  static constexpr size_t kBytes = 16;
  static constexpr int kMost = 64;
  struct Copy {
    void* to;
    const void* from;
  };
  Copy copies_[kMost];
  int count_ = 0;
};

}  // namespace dinomaly::cuda
