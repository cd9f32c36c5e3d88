#include "backend/cuda/emulated/runtime.h"

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace {

using Work = std::function<void()>;

}  // namespace

struct CUgraph_st {
  std::vector<Work> nodes;
};
struct CUgraphExec_st {
  std::vector<Work> nodes;
};

namespace {

constexpr size_t kAlignment = 256;  // what cudaMalloc gives

/// What a stream has to do, and how far it is; events outlive their streams.
struct Line {
  bool late = false;
  std::deque<Work> waiting;
  uint64_t begun = 0;  // works that have left `waiting`
  std::unique_ptr<CUgraph_st> recording;
  bool invalidated = false;

  uint64_t end() const { return begun + waiting.size(); }
  void runUntil(uint64_t position) {
    while (begun < position && !waiting.empty()) {
      const Work work = std::move(waiting.front());
      waiting.pop_front();
      ++begun;
      work();
    }
  }
};

}  // namespace

struct CUevent_st {
  std::shared_ptr<Line> line;  // null: not recorded yet
  uint64_t position = 0;
};

namespace {

thread_local cudaError_t lastError = cudaSuccess;
thread_local cudaStreamCaptureMode threadMode = cudaStreamCaptureModeGlobal;
thread_local Line* recorded = nullptr;  // by this thread
bool lateStreams = false;

cudaError_t fail(cudaError_t error) {
  lastError = error;
  return error;
}

std::shared_ptr<Line>& lineOf(cudaStream_t stream) {
  return *static_cast<std::shared_ptr<Line>*>(stream);
}

bool isRecorded(cudaStream_t stream) {
  return stream && lineOf(stream)->recording;
}

/// What cannot be part of a recording ends it.
cudaError_t refuse(Line& line) {
  line.invalidated = true;
  return fail(cudaErrorStreamCaptureUnsupported);
}

/// Whether a call that no stream sees is one that this thread may not make now.
bool isUnsafe() {
  return recorded && threadMode != cudaStreamCaptureModeRelaxed;
}

cudaError_t take(void** memory, size_t bytes) {
  if (isUnsafe()) return refuse(*recorded);
  return posix_memalign(memory, kAlignment, bytes) == 0 ? cudaSuccess : fail(cudaErrorMemoryAllocation);
}

cudaError_t give(void* memory) {
  if (isUnsafe()) return refuse(*recorded);
  std::free(memory);
  return cudaSuccess;
}

}  // namespace

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorIllegalState:
      return "cudaErrorIllegalState";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated:
      return "cudaErrorStreamCaptureInvalidated";
  }
  return "unrecognized error code";
}

const char* cudaGetErrorString(cudaError_t) {
  return "on the emulated device";
}

cudaError_t cudaGetLastError() {
  return std::exchange(lastError, cudaSuccess);
}

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  return take(memory, bytes);
}
cudaError_t cudaFree(void* memory) {
  return give(memory);
}
cudaError_t cudaMallocHost(void** memory, size_t bytes) {
  return take(memory, bytes);
}
cudaError_t cudaFreeHost(void* memory) {
  return give(memory);
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* all) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  *free = static_cast<size_t>(sysconf(_SC_AVPHYS_PAGES)) * page;
  *all = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * page;
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  // CUDA would record a copy of pinned memory, but nothing here means to repeat what the host held.
  if (isRecorded(stream) && kind != cudaMemcpyDeviceToDevice) return refuse(*lineOf(stream));
  dinomaly::emulated::enqueue(stream, [=] {
    if (bytes) std::memcpy(to, from, bytes);  // it takes no null
  });
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  dinomaly::emulated::enqueue(stream, [=] {
    if (bytes) std::memset(to, value, bytes);
  });
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  auto line = std::make_shared<Line>();
  line->late = lateStreams;
  *stream = std::make_unique<std::shared_ptr<Line>>(std::move(line)).release();
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const std::unique_ptr<std::shared_ptr<Line>> dropped(&lineOf(stream));
  (*dropped)->runUntil((*dropped)->end());
  if (recorded == dropped->get()) recorded = nullptr;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (!stream) return cudaSuccess;
  Line& line = *lineOf(stream);
  if (line.recording) return refuse(line);
  line.runUntil(line.end());
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (isRecorded(stream)) return refuse(*lineOf(stream));
  if (event->line) {
    dinomaly::emulated::enqueue(stream, [line = event->line, position = event->position] { line->runUntil(position); });
  }
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = std::make_unique<CUevent_st>().release();
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const std::unique_ptr<CUevent_st> dropped(event);
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const std::shared_ptr<Line>& line = lineOf(stream);
  if (line->recording) return refuse(*line);
  event->line = line;
  event->position = line->end();
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (isUnsafe()) return refuse(*recorded);
  if (event->line) event->line->runUntil(event->position);
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  if (!stream || mode != cudaStreamCaptureModeThreadLocal) return fail(cudaErrorInvalidValue);
  Line& line = *lineOf(stream);
  if (line.recording || recorded) return fail(cudaErrorIllegalState);
  line.recording = std::make_unique<CUgraph_st>();
  line.invalidated = false;
  recorded = &line;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  Line& line = *lineOf(stream);
  *graph = nullptr;
  if (!line.recording || recorded != &line) return fail(cudaErrorIllegalState);
  recorded = nullptr;
  const std::unique_ptr<CUgraph_st> made = std::move(line.recording);
  if (line.invalidated) return fail(cudaErrorStreamCaptureInvalidated);
  *graph = std::make_unique<CUgraph_st>(std::move(*made)).release();
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  *status = !isRecorded(stream)           ? cudaStreamCaptureStatusNone
            : lineOf(stream)->invalidated ? cudaStreamCaptureStatusInvalidated
                                          : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  std::swap(threadMode, *mode);
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  *exec = std::make_unique<CUgraphExec_st>(CUgraphExec_st{graph->nodes}).release();
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const std::unique_ptr<CUgraph_st> dropped(graph);
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  const std::unique_ptr<CUgraphExec_st> dropped(exec);
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  for (const Work& node : exec->nodes) dinomaly::emulated::enqueue(stream, node);
  return cudaSuccess;
}

namespace dinomaly::emulated {

void enqueue(cudaStream_t stream, std::function<void()> work) {
  if (!stream) return work();
  Line& line = *lineOf(stream);
  if (line.recording) {
    line.recording->nodes.push_back(std::move(work));
  } else if (line.late) {
    line.waiting.push_back(std::move(work));
  } else {
    work();
  }
}

void setLateStreams(bool late) {
  lateStreams = late;
}

}  // namespace dinomaly::emulated
