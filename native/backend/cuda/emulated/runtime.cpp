#include "backend/cuda/emulated/runtime.h"

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "backend/cuda/emulated/devices.h"

using dinomaly::emulated::Call;
using dinomaly::emulated::Device;
using dinomaly::emulated::Line;
using dinomaly::emulated::machine;

namespace {

using Work = std::function<void()>;

}  // namespace

struct CUgraph_st {
  int device;
  std::vector<Work> nodes;
};
struct CUgraphExec_st {
  int device;
  std::vector<Work> nodes;
};

/// What a stream has to do, and how far it is; events outlive their streams.
struct dinomaly::emulated::Line {
  int device = 0;
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

struct CUevent_st {
  int device;
  std::shared_ptr<Line> line;  // null: not recorded yet
  uint64_t position = 0;
};

namespace {

constexpr size_t kAlignment = 256;  // what cudaMalloc gives

thread_local int threadDevice = 0;
thread_local cudaError_t lastError = cudaSuccess;
thread_local cudaStreamCaptureMode threadMode = cudaStreamCaptureModeGlobal;
thread_local Line* recorded = nullptr;  // by this thread
std::atomic<bool> lateStreams{false};

cudaError_t fail(cudaError_t error) {
  if (error != cudaSuccess) lastError = error;
  return error;
}

std::shared_ptr<Line>& lineOf(cudaStream_t stream) {
  return *static_cast<std::shared_ptr<Line>*>(stream);
}

int deviceOf(cudaStream_t stream) {
  return stream ? lineOf(stream)->device : threadDevice;
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

size_t& heldBytes(Device& device, bool pinned) {
  return pinned ? device.held.pinnedBytes : device.held.memoryBytes;
}

cudaError_t take(void** memory, size_t bytes, bool pinned) {
  if (isUnsafe()) return refuse(*recorded);
  const Call call(threadDevice);
  if (call.status() != cudaSuccess) return fail(call.status());
  size_t& held = heldBytes(call.device(), pinned);
  const size_t most = pinned ? call.device().mostPinned : call.device().mostMemory;
  if (held + bytes > most || posix_memalign(memory, kAlignment, bytes) != 0) return fail(cudaErrorMemoryAllocation);
  call.device().blocks[*memory] = {bytes, pinned};
  held += bytes;
  return cudaSuccess;
}

/// As CUDA does, waits for all that the device has to do: it might read or write there.
cudaError_t give(void* memory, bool pinned) {
  if (isUnsafe()) return refuse(*recorded);
  if (!memory) return cudaSuccess;
  for (int i = 0; i < dinomaly::emulated::kMostDevices; ++i) {  // whichever is the thread's
    const std::lock_guard<std::recursive_mutex> lock(dinomaly::emulated::deviceAt(i).mutex);
    const auto& blocks = dinomaly::emulated::deviceAt(i).blocks;
    const auto found = blocks.find(memory);
    if (found == blocks.end() || found->second.pinned != pinned) continue;
    const Call call(i);
    if (call.status() == cudaSuccess) {
      for (Line* line : call.device().lines) line->runUntil(line->end());
    }
    heldBytes(call.device(), pinned) -= found->second.bytes;
    call.device().blocks.erase(found);
    std::free(memory);
    return fail(call.status());
  }
  return fail(cudaErrorInvalidValue);
}

/// What a stream does next.
void add(Line& line, Work work) {
  if (line.recording) {
    line.recording->nodes.push_back(std::move(work));
  } else if (line.late) {
    line.waiting.push_back(std::move(work));
  } else {
    work();
  }
}

cudaError_t submit(cudaStream_t stream, Work work) {
  const Call call(deviceOf(stream));
  if (call.status() != cudaSuccess) return fail(call.status());
  if (stream) {
    add(*lineOf(stream), std::move(work));
  } else {
    work();
  }
  return cudaSuccess;
}

/// Lets a line get as far as `position`, unless its device is lost.
cudaError_t wait(Line& line, uint64_t position) {
  const Call call(line.device);
  if (call.status() != cudaSuccess) return fail(call.status());
  line.runUntil(position);
  return cudaSuccess;
}

}  // namespace

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
#define DINOMALY_NAME(name, number) \
  case name:                        \
    return #name;
      DINOMALY_CUDA_ERRORS(DINOMALY_NAME)
#undef DINOMALY_NAME
  }
  return "unrecognized error code";
}

const char* cudaGetErrorString(cudaError_t) {
  return "on the emulated device";
}

cudaError_t cudaGetLastError() {
  Device& device = dinomaly::emulated::deviceAt(threadDevice);
  const std::lock_guard<std::recursive_mutex> lock(device.mutex);
  const cudaError_t last = std::exchange(lastError, cudaSuccess);
  return last == cudaSuccess && device.isLost ? device.lostWith : last;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = machine().driver;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = machine().devices;
  return *count > 0 ? cudaSuccess : fail(cudaErrorNoDevice);
}

cudaError_t cudaGetDevice(int* device) {
  *device = threadDevice;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= machine().devices) return fail(cudaErrorInvalidDevice);
  threadDevice = device;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= machine().devices) return fail(cudaErrorInvalidDevice);
  const Call call(device);
  *properties = {"emulated", 9, 0, 132, call.device().mostMemory};  // as an H100
  return fail(call.status());
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  *attributes = {};
  return machine().codeFits ? cudaSuccess : fail(cudaErrorNoKernelImageForDevice);
}

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  return take(memory, bytes, false);
}
cudaError_t cudaFree(void* memory) {
  return give(memory, false);
}
cudaError_t cudaMallocHost(void** memory, size_t bytes) {
  return take(memory, bytes, true);
}
cudaError_t cudaFreeHost(void* memory) {
  return give(memory, true);
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* all) {
  const Call call(threadDevice);
  const Device& device = call.device();
  *all = device.mostMemory;
  *free = *all > device.held.memoryBytes ? *all - device.held.memoryBytes : 0;
  return fail(call.status());
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  // CUDA would record a copy of pinned memory, but nothing here means to repeat what the host held.
  if (isRecorded(stream) && kind != cudaMemcpyDeviceToDevice) return refuse(*lineOf(stream));
  return submit(stream, [=] {
    if (bytes) std::memcpy(to, from, bytes);  // it takes no null
  });
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  return submit(stream, [=] {
    if (bytes) std::memset(to, value, bytes);
  });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const Call call(threadDevice);
  if (call.status() != cudaSuccess) return fail(call.status());
  auto line = std::make_shared<Line>();
  line->device = threadDevice;
  line->late = lateStreams;
  call.device().lines.insert(line.get());
  ++call.device().held.streams;
  *stream = std::make_unique<std::shared_ptr<Line>>(std::move(line)).release();
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (!stream) return fail(cudaErrorInvalidResourceHandle);
  const std::unique_ptr<std::shared_ptr<Line>> dropped(&lineOf(stream));
  Line& line = **dropped;
  const Call call(line.device);
  if (call.status() == cudaSuccess) line.runUntil(line.end());
  line.waiting.clear();  // of a lost device; it may hold other streams', which may hold this one's
  if (recorded == &line) recorded = nullptr;
  call.device().lines.erase(&line);
  --call.device().held.streams;
  return fail(call.status());
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (!stream) return fail(Call(threadDevice).status());
  Line& line = *lineOf(stream);
  if (line.recording) return refuse(line);
  const Call call(line.device);
  return wait(line, line.end());
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (isRecorded(stream)) return refuse(*lineOf(stream));
  if (!event->line) return cudaSuccess;
  return submit(stream, [line = event->line, position = event->position] { line->runUntil(position); });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  const Call call(threadDevice);
  if (call.status() != cudaSuccess) return fail(call.status());
  ++call.device().held.events;
  *event = std::make_unique<CUevent_st>(CUevent_st{threadDevice, nullptr, 0}).release();
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (!event) return fail(cudaErrorInvalidResourceHandle);
  const std::unique_ptr<CUevent_st> dropped(event);
  const Call call(event->device);
  --call.device().held.events;
  return fail(call.status());
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const std::shared_ptr<Line>& line = lineOf(stream);
  if (line->recording) return refuse(*line);
  if (line->device != event->device) return fail(cudaErrorInvalidResourceHandle);
  const Call call(line->device);
  if (call.status() != cudaSuccess) return fail(call.status());
  event->line = line;
  event->position = line->end();
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (isUnsafe()) return refuse(*recorded);
  return event->line ? wait(*event->line, event->position) : cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  if (!stream || mode != cudaStreamCaptureModeThreadLocal) return fail(cudaErrorInvalidValue);
  Line& line = *lineOf(stream);
  const Call call(line.device);
  if (call.status() != cudaSuccess) return fail(call.status());
  if (line.recording || recorded) return fail(cudaErrorIllegalState);
  line.recording = std::make_unique<CUgraph_st>(CUgraph_st{line.device, {}});
  line.invalidated = false;
  recorded = &line;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  Line& line = *lineOf(stream);
  const Call call(line.device);
  *graph = nullptr;
  if (!line.recording || recorded != &line) return fail(cudaErrorIllegalState);
  recorded = nullptr;
  std::unique_ptr<CUgraph_st> made = std::move(line.recording);
  if (call.status() != cudaSuccess) return fail(call.status());
  if (line.invalidated) return fail(cudaErrorStreamCaptureInvalidated);
  ++call.device().held.graphs;
  *graph = made.release();
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  const Call call(deviceOf(stream));
  *status = !isRecorded(stream)           ? cudaStreamCaptureStatusNone
            : lineOf(stream)->invalidated ? cudaStreamCaptureStatusInvalidated
                                          : cudaStreamCaptureStatusActive;
  return fail(call.status());
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  std::swap(threadMode, *mode);
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  const Call call(graph->device);
  if (call.status() != cudaSuccess) return fail(call.status());
  ++call.device().held.graphs;
  *exec = std::make_unique<CUgraphExec_st>(CUgraphExec_st{graph->device, graph->nodes}).release();
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const std::unique_ptr<CUgraph_st> dropped(graph);
  const Call call(graph->device);
  --call.device().held.graphs;
  return fail(call.status());
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  const std::unique_ptr<CUgraphExec_st> dropped(exec);
  const Call call(exec->device);
  --call.device().held.graphs;
  return fail(call.status());
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  const Call call(exec->device);
  if (call.status() != cudaSuccess) return fail(call.status());
  if (deviceOf(stream) != exec->device) return fail(cudaErrorInvalidResourceHandle);
  for (const Work& node : exec->nodes) add(*lineOf(stream), node);
  return cudaSuccess;
}

namespace dinomaly::emulated {

cudaError_t enqueue(cudaStream_t stream, std::function<void()> work) {
  if (deviceOf(stream) != threadDevice) return fail(cudaErrorInvalidResourceHandle);
  return submit(stream, std::move(work));
}

void setLateStreams(bool late) {
  lateStreams = late;
}

}  // namespace dinomaly::emulated
