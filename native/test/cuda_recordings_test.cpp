// Recorded sequences of operations on the emulated device, against running them.
#include <set>
#include <stdexcept>

#include "backend/cuda/elementwise.h"
#include "backend/cuda/products.h"
#include "backend/cuda/recordings.h"
#include "backend/cuda/staging.h"
#include "backend/step.h"
#include "counted_memory.h"
#include "cuda_support.h"
#include "error_code.h"

using namespace dinomaly;
using namespace dinomaly::cuda;

namespace {

constexpr int64_t kRows = 9, kIn = 12, kOut = 20, kSize = kRows * kOut;

__global__ void addStepKernel(float* y, const StepNumbers* numbers, int64_t size) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < size) y[i] += static_cast<float>(numbers->learningRate) + static_cast<float>(numbers->iteration);
}

/// y (size) += a * x
void addScaled(Stream stream, float* y, const float* x, float a, int64_t size) {
  weightedSum<float>(stream, y, size, {{y, 1.0f, size}, {x, a, size}}, 1, size);
}

struct Device {
  OwnedStream stream;
  std::shared_ptr<BufferPool> pool = std::make_shared<BufferPool>(CountedMemory::source(), size_t{1} << 20);
  Recordings recordings{stream, pool};
  Staging staging{stream};
  Products products{Precision::f32};
  Buffer x = floats(kRows * kIn), w = floats(kOut * kIn), y = floats(kSize);

  Buffer floats(int64_t size) { return std::static_pointer_cast<float>(pool->allocateBytes(size * 4)); }
  std::shared_ptr<void> numbers = pool->allocateBytes(sizeof(StepNumbers));
  int calls = 0;

  Device() { staging.upload(w.get(), noise(kOut * kIn, 1).data(), kOut * kIn * sizeof(float)); }
  ~Device() { stream.synchronize(); }  // as cudaFree would

  Buffer allocate(int64_t size) {
    return std::static_pointer_cast<float>(recordings.allocate(size * static_cast<int64_t>(sizeof(float))));
  }

  /// y = gelu(x w^T) + what the step's numbers say, by way of memory that is reused on the way; then y += y.
  void work() {
    ++calls;
    Buffer product = allocate(kSize);
    products.multiply<float>(stream, product.get(), {x.get()}, {w.get(), true}, kRows, kOut, kIn);
    const Buffer bent = allocate(kSize);
    gelu(stream, bent.get(), product.get(), kSize);
    product.reset();
    const Buffer sum = allocate(kSize);  // where product was
    fillWithZero(stream, sum.get(), kSize * sizeof(float));
    addScaled(stream, sum.get(), bent.get(), 1.0f, kSize);
    launch(stream, addStepKernel, blocksOf(kSize, 64), 64, 0, sum.get(), static_cast<const StepNumbers*>(numbers.get()),
           kSize);
    copyOnDevice(stream, y.get(), sum.get(), kSize * sizeof(float));
    addScaled(stream, y.get(), sum.get(), 1.0f, kSize);
  }

  template <typename Run>
  std::vector<float> step(uint32_t i, const Run& run) {
    StepNumbers values;
    values.iteration = i;
    values.learningRate = 0.25 / (i + 1);
    staging.upload(numbers.get(), &values, sizeof values);
    staging.upload(x.get(), noise(kRows * kIn, 100 + i).data(), kRows * kIn * sizeof(float));
    run();
    std::vector<float> result(kSize);
    staging.download(result.data(), y.get(), kSize * sizeof(float));
    return result;
  }
};

void nothing() {}

/// Records what allocates one block of `bytes` and drops it, and tells its address.
void* recordBlock(Device& device, int64_t id, int64_t bytes) {
  void* address = nullptr;
  device.recordings.record(id, [&] {
    const std::shared_ptr<void> block = device.recordings.allocate(bytes);
    address = block.get();
    fillWithZero(device.stream, address, static_cast<size_t>(bytes));
  });
  return address;
}

}  // namespace

TEST_CASE("recorded sequences give the bits of running them, with what is in their inputs at the time") {
  const CountedMemory memory;
  for (const int sequences : {1, 2}) {  // the second in the memory of the first
    for (const bool late : {false, true}) {
      CAPTURE(sequences);
      CAPTURE(late);
      emulated::setLateStreams(late);
      Device recorded, plain;
      emulated::setLateStreams(false);
      for (uint32_t i = 0; i < 8; ++i) {
        CAPTURE(i);
        const auto run = [&] { recorded.recordings.run(7 + i % sequences, [&] { recorded.work(); }); };
        CHECK(sameBits(recorded.step(i, run), plain.step(i, [&] { plain.work(); })));
        addScaled(recorded.stream, recorded.allocate(kSize).get(), recorded.y.get(), 1.0f, kSize);  // in between
      }
      CHECK(recorded.calls == 2 * sequences);  // once to run, once to record
      CHECK(plain.calls == 8);
    }
  }
}

TEST_CASE("a recording is made the second time, and anew after it was forgotten") {
  const CountedMemory memory;
  Device device;
  std::vector<float> counter(1), one{1};
  const auto count = [&] { addScaled(device.stream, counter.data(), one.data(), 1.0f, 1); };
  int calls = 0;
  const auto run = [&](int64_t id) {
    device.recordings.run(id, [&] {
      ++calls;
      count();
    });
  };
  run(1);
  CHECK(!device.recordings.play(1));
  run(2);
  CHECK(counter[0] == 2);
  run(1);
  CHECK(counter[0] == 3);
  CHECK(calls == 3);
  CHECK(device.recordings.play(1));
  CHECK(!device.recordings.play(2));
  CHECK(counter[0] == 4);
  device.recordings.forget(1);
  CHECK(!device.recordings.play(1));
  run(1);
  CHECK(!device.recordings.play(1));
  run(1);
  run(1);
  CHECK(calls == 5);
  CHECK(counter[0] == 7);
  device.recordings.clear();
  CHECK(!device.recordings.play(1));
  device.recordings.forget(99);
}

TEST_CASE("recording runs nothing, and a new recording takes the place of the old") {
  const CountedMemory memory;
  Device device;
  std::vector<float> counter(1), one{1};
  device.recordings.record(1, [&] { addScaled(device.stream, counter.data(), one.data(), 1.0f, 1); });
  CHECK(counter[0] == 0);
  device.recordings.record(1, [&] { addScaled(device.stream, counter.data(), one.data(), 10.0f, 1); });
  CHECK(device.recordings.play(1));
  CHECK(counter[0] == 10);
  void* const block = recordBlock(device, 1, 1000);
  device.recordings.record(1, nothing);
  CHECK(device.recordings.play(1));
  CHECK(counter[0] == 10);
  CHECK(device.recordings.allocate(1000).get() == block);  // which the old one had
}

TEST_CASE("a product is recorded with the numbers that it was called with") {
  const CountedMemory memory;
  Device device;
  const std::vector<float> left = noise(6, 1), right = noise(6, 2), bias = noise(2, 3), other = noise(2, 4);
  std::vector<float> y(4), expected(4), again(4);
  const auto multiply = [&](Stream stream, std::vector<float>& to, const std::vector<float>& added) {
    device.products.multiply<float, float>(stream, to.data(), {left.data()}, {right.data()}, 2, 2, 3, {added.data()});
  };
  device.recordings.record(1, [&] { multiply(device.stream, y, bias); });
  multiply(Stream(), again, other);  // of the same shape, which changes cuBLASLt's description
  multiply(Stream(), expected, bias);
  multiply(Stream(), again, other);
  device.recordings.play(1);
  CHECK(sameBits(y, expected));
  CHECK(!sameBits(again, expected));
}

TEST_CASE("a recording's memory is none but other recordings' until it is forgotten") {
  const CountedMemory memory;
  Device device;
  std::set<void*> own;
  std::shared_ptr<void> kept;
  device.recordings.record(1, [&] {
    void* const first = device.recordings.allocate(1000).get();
    CHECK(device.recordings.allocate(1000).get() == first);  // freed inside, reused inside
    own.insert(first);
    for (const int64_t bytes : {1000, 2000, 3000}) own.insert(device.recordings.allocate(bytes).get());
    kept = device.recordings.allocate(5000);
    fillWithZero(device.stream, kept.get(), 5000);
  });
  const auto allocateAll = [&] {
    std::vector<std::shared_ptr<void>> held;
    for (int i = 0; i < 5; ++i) {
      for (const int64_t bytes : {1000, 2000, 3000, 5000}) held.push_back(device.recordings.allocate(bytes));
    }
    std::set<void*> addresses;
    for (const auto& block : held) addresses.insert(block.get());
    return addresses;
  };
  for (void* address : allocateAll()) CHECK((!own.count(address) && address != kept.get()));
  CHECK(own.count(recordBlock(device, 2, 1000)));  // of the first's
  CHECK(own.count(recordBlock(device, 3, 3000)));
  void* const others = recordBlock(device, 4, 5000);
  CHECK(others != kept.get());  // which is still held
  CHECK(!own.count(others));
  for (const int64_t id : {1, 2, 3, 4}) CHECK(device.recordings.play(id));

  device.recordings.forget(1);
  void* const shared = recordBlock(device, 5, 1000);
  CHECK(own.count(shared));  // which the second still has
  device.recordings.forget(3);
  const std::set<void*> afterwards = allocateAll();
  for (void* address : own) CHECK(afterwards.count(address) == (address != shared));
  CHECK(!afterwards.count(others));
  CHECK(!afterwards.count(kept.get()));
  *static_cast<float*>(kept.get()) = 1;  // still its holder's
  void* const last = kept.get();
  kept.reset();
  CHECK(allocateAll().count(last));
}

TEST_CASE("work that throws leaves nothing behind") {
  const CountedMemory memory;
  Device device;
  const auto failing = [&] {
    device.work();
    throw std::range_error("in its middle");
  };
  CHECK_THROWS_AS(device.recordings.run(1, failing), std::range_error);
  device.recordings.run(1, [&] { device.work(); });  // still counts as the first
  CHECK(!device.recordings.play(1));
  const int64_t taken = memory.takenBlocks;
  for (int i = 0; i < 5; ++i) {
    CHECK_THROWS_AS(device.recordings.run(1, failing), std::range_error);
    CHECK(!device.stream.isRecorded());
    CHECK(!device.recordings.play(1));
    device.allocate(kSize);  // from the device's pool again
  }
  CHECK(memory.takenBlocks == taken);  // each gave back what it had taken
  Device plain;
  const auto recorded = [&] { device.recordings.run(1, [&] { device.work(); }); };
  for (uint32_t i = 0; i < 3; ++i) CHECK(sameBits(device.step(i, recorded), plain.step(i, [&] { plain.work(); })));
  CHECK(device.recordings.play(1));
}

TEST_CASE("the least recently played recording goes when there are too many") {
  const CountedMemory memory;
  Device device;
  constexpr auto kMost = static_cast<int64_t>(Recordings::kMost);
  void* const first = recordBlock(device, 0, 1000);
  void* const second = recordBlock(device, 1, 1200);
  for (int64_t id = 2; id < kMost; ++id) device.recordings.record(id, nothing);
  CHECK(device.recordings.play(0));
  device.recordings.record(kMost, nothing);
  CHECK(!device.recordings.play(1));
  const std::shared_ptr<void> free = device.recordings.allocate(1200);
  CHECK(free.get() == second);
  CHECK(device.recordings.allocate(1000).get() != first);
  for (const int64_t id : {int64_t{0}, int64_t{2}, kMost}) CHECK(device.recordings.play(id));
}

TEST_CASE("what cannot be recorded throws, and the device goes on") {
  const CountedMemory memory;
  Device device;
  float there = 0, here = 1;
  Event event;
  const std::vector<std::function<void()>> forbidden{
      [&] { device.stream.synchronize(); },
      [&] { device.staging.upload(&there, &here, sizeof here); },
      [&] { device.staging.download(&here, &there, sizeof here); },
      [&] { check(cudaMemcpyAsync(&here, &there, 4, cudaMemcpyDeviceToHost, device.stream), "a copy"); },
      [&] { check(cudaMemcpyAsync(&there, &here, 4, cudaMemcpyHostToDevice, device.stream), "a copy"); },
      [&] {
        void* block = nullptr;
        check(cudaMalloc(&block, 64), "cudaMalloc");
      },
      [&] { check(cudaFree(nullptr), "cudaFree"); },
      [&] { event.mark(device.stream); },
      [&] { event.holdUp(device.stream); },
      [&] { event.synchronize(); },
      [&] { device.recordings.record(2, nothing); },
  };
  for (size_t i = 0; i < forbidden.size(); ++i) {
    CAPTURE(i);
    CHECK(errorCode([&] { device.recordings.record(1, forbidden[i]); }) == "ERR_INTERNAL");
    CHECK(!device.recordings.play(1));
    gelu(device.stream, &there, &here, 1);  // looks for errors that are left
    CHECK(there > 0.8f);
    there = 0;
  }
  const auto unheeding = [&] { CHECK(errorCode([&] { device.stream.synchronize(); }) == "ERR_INTERNAL"); };
  CHECK(errorCode([&] { device.recordings.record(1, unheeding); }) == "ERR_INTERNAL");
  CHECK(!device.recordings.play(1));
  gelu(device.stream, &there, &here, 1);
  device.recordings.record(1, [&] {
    const DeviceMemory allowed(64);
    const PinnedMemory too(64);
  });
  CHECK(device.recordings.play(1));
}

TEST_CASE("recordings make room where memory is short") {
  const CountedMemory memory;
  Device device;
  recordBlock(device, 1, 64 * 600);
  recordBlock(device, 2, 64 * 1000);
  memory.mostBytes = memory.heldBytes + 64;
  CHECK(device.recordings.allocate(64 * 1500).get() != nullptr);
  CHECK(!device.recordings.play(1));
  CHECK(!device.recordings.play(2));
  recordBlock(device, 3, 64 * 1200);
  CHECK(recordBlock(device, 4, 64 * 1300));  // while it is recorded
  CHECK(!device.recordings.play(3));
  CHECK(device.recordings.play(4));
  CHECK(errorCode([&] { recordBlock(device, 5, 64 * 5000); }) == "ERR_OUT_OF_MEMORY");
  CHECK(!device.stream.isRecorded());
}

TEST_CASE("making and dropping recordings, pools and streams leaves no block behind") {
  const CountedMemory memory;
  int64_t most = 0;
  for (int i = 0; i < 200; ++i) {
    {
      Device device;
      std::shared_ptr<void> held;
      for (int64_t id = 0; id < 3; ++id) {
        device.recordings.record(id, [&] {
          held = device.recordings.allocate(100 + 64 * id);
          device.work();
        });
        device.recordings.play(id);
      }
      device.recordings.forget(1);
      CHECK_THROWS(device.recordings.record(4, [&] {
        device.work();
        throw std::range_error("in its middle");
      }));
    }
    CHECK(memory.takenBlocks == memory.givenBlocks);
    if (i == 0) most = memory.takenBlocks;
  }
  CHECK(most > 0);
  CHECK(memory.takenBlocks == 200 * most);
}
