// Pools of blocks, and copies between host and device on streams that run their work early or late.
#include <set>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/staging.h"
#include "counted_memory.h"
#include "cuda_support.h"
#include "error_code.h"

using namespace dinomaly;
using namespace dinomaly::cuda;

namespace {

constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();

/// Restores what other tests rely on.
struct LateStreams {
  explicit LateStreams(bool late) { emulated::setLateStreams(late); }
  ~LateStreams() { emulated::setLateStreams(false); }
};

/// Of `count` blocks that are held at once.
std::set<void*> addressesOf(BufferPool& pool, int64_t bytes, int count) {
  std::vector<std::shared_ptr<void>> held;
  std::set<void*> addresses;
  for (int i = 0; i < count; ++i) addresses.insert(held.emplace_back(pool.allocateBytes(bytes)).get());
  return addresses;
}

/// Uploads to one destination and keeps what it was in between, as operations would read it.
void checkUploads(const std::vector<size_t>& sizes) {
  for (const bool lateCompute : {false, true}) {
    for (const bool lateCopies : {false, true}) {
      CAPTURE(lateCompute);
      CAPTURE(lateCopies);
      emulated::setLateStreams(lateCompute);
      const OwnedStream compute;
      const LateStreams late(lateCopies);
      Staging staging(compute);
      const size_t largest = *std::max_element(sizes.begin(), sizes.end());
      std::vector<unsigned char> there(largest), host(largest), back(largest);
      std::vector<std::vector<unsigned char>> seen;
      for (const size_t size : sizes) seen.emplace_back(size, static_cast<unsigned char>(0xEE));
      for (size_t i = 0; i < sizes.size(); ++i) {
        for (size_t j = 0; j < sizes[i]; ++j) host[j] = static_cast<unsigned char>(j * 7 + j / 4096 + i);
        staging.upload(there.data(), host.data(), sizes[i]);
        std::fill(host.begin(), host.end(), static_cast<unsigned char>(0xDD));  // which the caller is free to do
        copyOnDevice(compute, seen[i].data(), there.data(), sizes[i]);
      }
      for (size_t i = 0; i < sizes.size(); ++i) {
        staging.download(back.data(), seen[i].data(), sizes[i]);
        size_t wrong = 0;
        for (size_t j = 0; j < sizes[i]; ++j) wrong += back[j] != static_cast<unsigned char>(j * 7 + j / 4096 + i);
        CHECK(wrong == 0);
      }
    }
  }
}

}  // namespace

TEST_CASE("uploads arrive in order, whichever stream is late, and overtake nothing that reads their destination") {
  checkUploads({100, 100, 100, 100, 100, 100, 100, 100});
  checkUploads({1, 5000, 0, 70000, 3, 20000, 150000, 4096, 4097, 300000});
  checkUploads({(size_t{16} << 20) + 13, 4, (size_t{8} << 20) + 1, size_t{8} << 20});
}

TEST_CASE("pieces are uploaded one behind the other, however many go at once") {
  for (const size_t bytes : {size_t{3}, size_t{5000}, (size_t{1} << 20) + 1, size_t{7} << 20}) {
    CAPTURE(bytes);
    const OwnedStream compute;
    const LateStreams late(true);
    Staging staging(compute);
    constexpr size_t kCount = 5;
    std::vector<std::vector<unsigned char>> pieces;
    std::vector<const void*> each;
    std::vector<unsigned char> there(kCount * bytes), expected;
    for (size_t i = 0; i < kCount; ++i) {
      pieces.emplace_back(bytes, static_cast<unsigned char>(i + 1));
      expected.insert(expected.end(), pieces[i].begin(), pieces[i].end());
    }
    for (const auto& piece : pieces) each.push_back(piece.data());
    staging.uploadEach(there.data(), each.data(), kCount, bytes);
    for (auto& piece : pieces) std::fill(piece.begin(), piece.end(), static_cast<unsigned char>(0xDD));
    compute.synchronize();
    CHECK(there == expected);
  }
}

TEST_CASE("a download that was started has what was there then, whatever the compute stream does next") {
  for (const bool lateCompute : {false, true}) {
    for (const bool lateCopies : {false, true}) {
      CAPTURE(lateCompute);
      CAPTURE(lateCopies);
      std::vector<unsigned char> x(5000);
      emulated::setLateStreams(lateCompute);
      const OwnedStream compute;
      const LateStreams late(lateCopies);
      Staging staging(compute);
      std::vector<std::shared_ptr<void>> downloads;
      for (unsigned char i = 1; i <= 4; ++i) {
        const std::vector<unsigned char> values(x.size(), i);
        staging.upload(x.data(), values.data(), values.size());
        downloads.push_back(staging.start(x.data(), x.size()));
        fillWithZero(compute, x.data(), x.size());
      }
      downloads[1].reset();  // nobody wants it
      for (const unsigned char i : {1, 3, 4}) {
        const auto* const found = static_cast<const unsigned char*>(staging.finish(downloads[i - 1U]));
        CHECK(std::all_of(found, found + x.size(), [i](unsigned char value) { return value == i; }));
      }
    }
  }
}

TEST_CASE("an upload that is under way arrives though its staging is dropped") {
  const LateStreams late(true);
  const OwnedStream compute;
  std::vector<float> there(5), host{1, 2, 3, 4, 5};
  {
    Staging staging(compute);
    staging.upload(there.data(), host.data(), 5 * sizeof(float));
  }
  compute.synchronize();
  CHECK(there == host);
}

TEST_CASE("uploads and downloads are no part of a recording") {
  const OwnedStream stream;
  Staging staging(stream);
  float x = 1, y = 2;
  REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  CHECK(errorCode([&] { staging.upload(&y, &x, sizeof x); }) == "ERR_INTERNAL");
  CHECK(errorCode([&] { staging.download(&y, &x, sizeof x); }) == "ERR_INTERNAL");
  cudaGraph_t graph = nullptr;
  REQUIRE(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
  cudaGraphDestroy(graph);
  CHECK(y == 2);
  staging.upload(&y, &x, sizeof x);
  CHECK(y == 1);
}

TEST_CASE("the emulated device has done its work before its memory is freed") {
  const LateStreams late(true);
  const OwnedStream stream;
  bool done = false;
  {
    const DeviceMemory memory(64);
    emulated::enqueue(stream, [&, data = memory.data()] {
      std::memset(data, 1, 64);
      done = true;
    });
    CHECK(!done);
  }
  CHECK(done);
}

TEST_CASE("a pool hands out freed blocks again and gives back what is more than it may keep") {
  const CountedMemory memory;
  const auto pool = std::make_shared<BufferPool>(CountedMemory::source(), 1000);
  const std::set<void*> first = addressesOf(*pool, 300, 2);  // of 320 bytes each
  CHECK(addressesOf(*pool, 257, 2) == first);
  CHECK(memory.takenBlocks == 2);
  CHECK(memory.givenBlocks == 0);
  addressesOf(*pool, 300, 4);
  CHECK(memory.heldBytes <= 1000);
  pool->allocateBytes(2000);
  CHECK(memory.heldBytes <= 1000);
  CHECK(pool->allocateBytes(0).get() != nullptr);
}

TEST_CASE("a pool that is short of memory gives back what is idle, and then says so") {
  const CountedMemory memory;
  const auto pool = std::make_shared<BufferPool>(CountedMemory::source(), kNoLimit);
  memory.mostBytes = 1024;
  pool->allocateBytes(640);
  const std::shared_ptr<void> held = pool->allocateBytes(1024);
  CHECK(errorCode([&] { pool->allocateBytes(64); }) == "ERR_OUT_OF_MEMORY");
}

TEST_CASE("a backend's own memory goes when what uses it has ended, as AddressSanitizer sees") {
  const LateStreams late(true);
  const std::unique_ptr<Backend> backend = makeCudaBackend(cuda::Precision::f32);
  backend->beginStep({});  // writes the step, which goes before the stream does
}
