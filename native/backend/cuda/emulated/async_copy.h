// async_copy.h on the host. Between start() and the wait the destination holds NaN, so that reading it too early shows,
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
    copies_[count_++] = {to, inside ? from : nullptr, group_};
  }

  void wait() { finishBefore(group_ + 1); }
  void endGroup() { ++group_; }
  template <int kLater>
  void waitForGroup() {
    finishBefore(group_ - kLater);
  }

 private:
  static constexpr size_t kBytes = 16;
  static constexpr int kMost = 64;
  struct Copy {
    void* to;
    const void* from;
    int group;
  };

  void finishBefore(int group) {
    int left = 0;
    for (int i = 0; i < count_; ++i) {
      const Copy& copy = copies_[i];
      if (copy.group >= group) {
        copies_[left++] = copy;
      } else if (copy.from) {
        std::memcpy(copy.to, copy.from, kBytes);
      } else {
        std::memset(copy.to, 0, kBytes);
      }
    }
    count_ = left;
  }

  Copy copies_[kMost];
  int count_ = 0, group_ = 0;
};

}  // namespace dinomaly::cuda
