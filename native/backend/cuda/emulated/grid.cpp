#include "backend/cuda/emulated/grid.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "backend/cuda/emulated/fiber.h"

namespace dinomaly::emulated {

namespace {

constexpr size_t kMaxLaneBytes = 64;

Order order = Order::forward;

/// Lanes of a warp that wait for each other, and what they bring.
struct Meeting {
  uint32_t mask = 0, arrived = 0, toTake = 0;
  size_t size = 0;
  alignas(16) unsigned char bytes[kWarpSize * kMaxLaneBytes];
};

/// Kept from launch to launch: their stacks are most of what a launch costs.
thread_local std::vector<std::unique_ptr<Fiber>> fibers;

class Block {
 public:
  Block(Dim3 size, size_t sharedBytes, const std::function<void()>& kernel)
      : size_(size),
        count_(size.x * size.y * size.z),
        kernel_(kernel),
        states_(count_),
        open_((count_ + kWarpSize - 1) / kWarpSize),
        turns_(count_),
        sharedBytes_(sharedBytes),
        shared_(std::make_unique<unsigned char[]>(sharedBytes)) {
    while (fibers.size() < count_) fibers.push_back(std::make_unique<Fiber>());
  }

  void run(std::mt19937& random) {
    std::fill(shared_.get(), shared_.get() + sharedBytes_, static_cast<unsigned char>(0xFF));  // NaN as f32 and as bf16
    std::fill(states_.begin(), states_.end(), State::ready);
    for (unsigned i = 0; i < count_; ++i) {
      fibers[i]->begin([this, i] { runThread(i); });
    }
    std::iota(turns_.begin(), turns_.end(), 0u);
    if (order == Order::backward) std::reverse(turns_.begin(), turns_.end());
    unsigned ended = 0;
    while (ended < count_) {
      if (order == Order::shuffled) std::shuffle(turns_.begin(), turns_.end(), random);
      bool ran = false;
      for (const unsigned i : turns_) {
        if (states_[i] != State::ready) continue;
        ran = true;
        resume(i);
        if (failure_) std::rethrow_exception(failure_);
      }
      ended = in(State::ended);
      if (!ran) liftBarrier();
    }
  }

  void barrier() {
    states_[current_] = State::atBarrier;
    Fiber::suspend();
  }

  void meet(uint32_t mask, const void* bytes, size_t size, void (*combine)(unsigned char*), unsigned char* lanes) {
    const unsigned lane = current_ % kWarpSize, first = current_ - lane;
    if (size > kMaxLaneBytes) throw std::logic_error("a warp operation on more than 64 bytes a lane");
    if (!(mask >> lane & 1)) throw std::runtime_error("a lane that is not in the mask of its own warp operation");
    Meeting*& open = open_[current_ / kWarpSize];
    if (!open) open = begin(mask, size);
    Meeting& meeting = *open;
    if (meeting.mask != mask || meeting.size != size) {
      throw std::runtime_error("the lanes of a warp are in different operations");
    }
    std::memcpy(meeting.bytes + lane * size, bytes, size);
    meeting.arrived |= 1u << lane;
    if (meeting.arrived == mask) {
      open = nullptr;
      if (combine) combine(meeting.bytes);
      for (unsigned i = 0; i < kWarpSize && first + i < count_; ++i) {
        if (mask >> i & 1) states_[first + i] = State::ready;
      }
    } else {
      states_[current_] = State::inWarp;
      Fiber::suspend();
    }
    std::memcpy(lanes, meeting.bytes, kWarpSize * size);
    meeting.toTake &= ~(1u << lane);
    if (!meeting.toTake) idle_.push_back(&meeting);
  }

  void* shared() { return shared_.get(); }
  unsigned lane() const { return current_ % kWarpSize; }

 private:
  enum class State { ready, atBarrier, inWarp, ended };

  Meeting* begin(uint32_t mask, size_t size) {
    if (idle_.empty()) {
      meetings_.push_back(std::make_unique<Meeting>());
      idle_.push_back(meetings_.back().get());
    }
    Meeting* const meeting = idle_.back();
    idle_.pop_back();
    meeting->mask = meeting->toTake = mask;
    meeting->arrived = 0;
    meeting->size = size;
    return meeting;
  }

  unsigned in(State state) const { return static_cast<unsigned>(std::count(states_.begin(), states_.end(), state)); }

  void runThread(unsigned i) {
    try {
      kernel_();
    } catch (...) {
      failure_ = std::current_exception();
    }
    states_[i] = State::ended;
  }

  void resume(unsigned i) {
    current_ = i;
    threadIndex = {i % size_.x, i / size_.x % size_.y, i / (size_.x * size_.y)};
    fibers[i]->resume();
  }

  void liftBarrier() {
    const unsigned waiting = in(State::atBarrier), ended = in(State::ended);
    if (ended == count_) return;
    if (waiting != count_) {
      throw std::runtime_error("of " + std::to_string(count_) + " threads " + std::to_string(waiting) +
                               " wait at a barrier, " + std::to_string(in(State::inWarp)) +
                               " in a warp operation, and " + std::to_string(ended) + " have ended");
    }
    std::fill(states_.begin(), states_.end(), State::ready);
  }

  Dim3 size_;
  unsigned count_, current_ = 0;
  const std::function<void()>& kernel_;
  std::vector<State> states_;
  std::vector<std::unique_ptr<Meeting>> meetings_;
  std::vector<Meeting*> idle_, open_;  // of meetings_; open_ by warp
  std::vector<unsigned> turns_;
  size_t sharedBytes_;
  std::unique_ptr<unsigned char[]> shared_;
  std::exception_ptr failure_;
};

thread_local Block* running = nullptr;

void checkLaunch(Dim3 grid, Dim3 block, size_t sharedBytes) {
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  if (threads < 1 || threads > kMaxThreads) {
    throw std::runtime_error("a block of " + std::to_string(threads) + " threads: 1 to 1024 can be launched");
  }
  if (grid.x < 1 || grid.y < 1 || grid.z < 1 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535) {
    throw std::runtime_error("a grid of " + std::to_string(grid.x) + " x " + std::to_string(grid.y) + " x " +
                             std::to_string(grid.z) + " blocks cannot be launched");
  }
  if (sharedBytes > kMaxSharedBytes) {
    throw std::runtime_error(std::to_string(sharedBytes) + " bytes of shared memory: a block has at most " +
                             std::to_string(kMaxSharedBytes));
  }
}

}  // namespace

void setOrder(Order wanted) {
  order = wanted;
}

void runGrid(Dim3 grid, Dim3 block, size_t sharedBytes, const std::function<void()>& kernel) {
  checkLaunch(grid, block, sharedBytes);
  gridSize = grid;
  blockSize = block;
  Block runner(block, sharedBytes, kernel);
  running = &runner;
  const unsigned count = grid.x * grid.y * grid.z;
  std::vector<unsigned> turns(count);
  std::iota(turns.begin(), turns.end(), 0u);
  std::mt19937 random(count);
  if (order == Order::backward) std::reverse(turns.begin(), turns.end());
  if (order == Order::shuffled) std::shuffle(turns.begin(), turns.end(), random);
  for (const unsigned i : turns) {
    blockIndex = {i % grid.x, i / grid.x % grid.y, i / (grid.x * grid.y)};
    runner.run(random);
  }
}

void* sharedMemory() {
  return running->shared();
}

unsigned threadLane() {
  return running->lane();
}

void blockBarrier() {
  running->barrier();
}

void meetWarp(uint32_t mask, const void* bytes, size_t size, void (*combine)(unsigned char*), unsigned char* lanes) {
  running->meet(mask, bytes, size, combine, lanes);
}

}  // namespace dinomaly::emulated
