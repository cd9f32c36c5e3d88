// Sequences of operations that a stream repeats by itself (CUDA graphs), which costs the host one call instead of one
// for each operation.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <type_traits>
#include <unordered_set>

#include "backend/buffer_pool.h"
#include "backend/cuda/recorded_memory.h"
#include "backend/cuda/stream.h"

namespace dinomaly::cuda {

/// A recorded sequence calls the same operations with the same addresses each time, so what is allocated while it is
/// made is given to nobody but other recordings while it is kept. Neither uploads nor downloads, waiting for the stream
/// included, can be part of it.
class Recordings {
 public:
  static constexpr size_t kMost = 16;  // the least recently played is forgotten

  /// `pool`: of the stream's device.
  Recordings(const OwnedStream& stream, std::shared_ptr<BufferPool> pool) : stream_(stream), pool_(std::move(pool)) {}
  Recordings(const Recordings&) = delete;
  Recordings& operator=(const Recordings&) = delete;

  /// Calls `work` for the first call with an id, which lets everything be made that is made once: derived weights,
  /// choices of algorithms. The second records, and from then on the recording is played.
  void run(int64_t id, const std::function<void()>& work);
  /// False where there is no recording.
  bool play(int64_t id);
  /// Records `work` without running it, in place of what there was. What it throws goes on, and nothing is kept.
  void record(int64_t id, const std::function<void()>& work);
  void forget(int64_t id);
  void clear();

  /// From the memory of the recording that is being made, if any. Where memory is short, drops all recordings for it.
  std::shared_ptr<void> allocate(int64_t bytes);
  /// For what takes memory past the pool: where it is short, calls `work` again when recordings and pool have none
  /// left.
  void withAllMemory(const std::function<void()>& work);

 private:
  struct DestroyGraph {
    void operator()(cudaGraphExec_t graph) const noexcept;
  };
  using Graph = std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, DestroyGraph>;
  class Capture;
  struct Recording {
    explicit Recording(int64_t itsId) : id(itsId) {}

    int64_t id;
    // Whoever gets the blocks afterwards uses them in the same stream, later.
    RecordedMemory memory;
    Graph graph;
  };

  void drop(int64_t id);
  std::shared_ptr<void> allocateOnce(int64_t bytes);

  const OwnedStream& stream_;
  std::shared_ptr<BufferPool> pool_;
  RecordedMemory* recorded_ = nullptr;  // of the recording that is being made
  std::list<Recording> kept_;           // the last played first
  std::unordered_set<int64_t> hasRun_;  // ids
};

}  // namespace dinomaly::cuda
