#include <algorithm>
#include <utility>

#include "backend/cuda/recordings.h"
#include "core/error.h"

namespace dinomaly::cuda {

/// Of a stream, until end() or the end of the scope. Other threads may do what they like meanwhile.
class Recordings::Capture {
 public:
  Capture(Stream stream, RecordedMemory*& recorded, RecordedMemory* memory) : stream_(stream), recorded_(recorded) {
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "the start of a recording");
    recorded_ = memory;
  }
  ~Capture() {
    recorded_ = nullptr;
    if (!ended_) drop();
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  Graph end() {
    ended_ = true;
    cudaGraph_t graph = nullptr;
    check(cudaStreamEndCapture(stream_, &graph), "the end of a recording");
    cudaGraphExec_t ready = nullptr;
#if defined(CUDART_VERSION) && CUDART_VERSION < 12000
    // The other came with the drivers of 11.4.
    const cudaError_t status = cudaGraphInstantiate(&ready, graph, nullptr, nullptr, 0);
#else
    const cudaError_t status = cudaGraphInstantiateWithFlags(&ready, graph, 0);
#endif
    ignore(cudaGraphDestroy(graph));
    check(status, "making a recording ready");
    return Graph(ready);
  }

 private:
  void drop() noexcept {
    cudaGraph_t graph = nullptr;
    if (cudaStreamEndCapture(stream_, &graph) == cudaSuccess) cudaGraphDestroy(graph);
    cudaGetLastError();  // of what ended it before its end, or the next launch would report it
  }

  Stream stream_;
  RecordedMemory*& recorded_;
  bool ended_ = false;
};

/// One that is being played goes when it has ended.
void Recordings::DestroyGraph::operator()(cudaGraphExec_t graph) const noexcept {
  const BesideRecording guard;
  ignore(cudaGraphExecDestroy(graph));
}

void Recordings::run(int64_t id, const std::function<void()>& work) {
  if (play(id)) return;
  if (hasRun_.count(id)) {
    record(id, work);
    play(id);
  } else {
    work();
    hasRun_.insert(id);
  }
}

bool Recordings::play(int64_t id) {
  const auto found = std::find_if(kept_.begin(), kept_.end(), [id](const Recording& r) { return r.id == id; });
  if (found == kept_.end()) return false;
  kept_.splice(kept_.begin(), kept_, found);
  check(cudaGraphLaunch(found->graph.get(), stream_), "repeating a recording");
  return true;
}

void Recordings::record(int64_t id, const std::function<void()>& work) {
  drop(id);
  if (kept_.size() == kMost) kept_.pop_back();
  std::list<Recording> made;
  Recording& recording = made.emplace_back(id);
  Capture capture(stream_, recorded_, &recording.memory);
  work();
  recording.graph = capture.end();
  kept_.splice(kept_.begin(), made);
}

void Recordings::forget(int64_t id) {
  drop(id);
  hasRun_.erase(id);
}

void Recordings::clear() {
  kept_.clear();
  hasRun_.clear();
}

void Recordings::drop(int64_t id) {
  kept_.remove_if([id](const Recording& r) { return r.id == id; });
}

std::shared_ptr<void> Recordings::allocate(int64_t bytes) {
  try {
    return allocateOnce(bytes);
  } catch (const Error& error) {
    if (kept_.empty() || error.code() != "ERR_OUT_OF_MEMORY") throw;
  }
  kept_.clear();
  return allocateOnce(bytes);
}

std::shared_ptr<void> Recordings::allocateOnce(int64_t bytes) {
  if (!recorded_) return pool_->allocateBytes(bytes);
  std::list<const RecordedMemory*> others;
  for (const Recording& kept : kept_) others.push_back(&kept.memory);
  return recorded_->allocate(bytes, others, *pool_);
}

void Recordings::withAllMemory(const std::function<void()>& work) {
  try {
    return work();
  } catch (const Error& error) {
    if (error.code() != "ERR_OUT_OF_MEMORY") throw;
  }
  kept_.clear();
  pool_->dropIdle();
  work();
}

}  // namespace dinomaly::cuda
