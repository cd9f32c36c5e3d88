// CUDA's runtime as far as devices, streams, events, graphs and memory are used, on the host: the same names and
// numbers as NVIDIA's header, which is there instead where CUDA is. What CUDA forbids while a stream is recorded fails
// here too, and so does every call on a device that was lost (devices.h). A device does one thing at a time, whichever
// the thread.
#pragma once

#include <cstddef>
#include <functional>

using cudaStream_t = void*;
using cudaEvent_t = struct CUevent_st*;
using cudaGraph_t = struct CUgraph_st*;
using cudaGraphExec_t = struct CUgraphExec_st*;

/// Those that errors.cu knows and those that come up here.
#define DINOMALY_CUDA_ERRORS(X)               \
  X(cudaErrorInvalidValue, 1)                 \
  X(cudaErrorMemoryAllocation, 2)             \
  X(cudaErrorInitializationError, 3)          \
  X(cudaErrorStubLibrary, 34)                 \
  X(cudaErrorInsufficientDriver, 35)          \
  X(cudaErrorCallRequiresNewerDriver, 36)     \
  X(cudaErrorDevicesUnavailable, 46)          \
  X(cudaErrorIncompatibleDriverContext, 49)   \
  X(cudaErrorInvalidDeviceFunction, 98)       \
  X(cudaErrorNoDevice, 100)                   \
  X(cudaErrorInvalidDevice, 101)              \
  X(cudaErrorDeviceNotLicensed, 102)          \
  X(cudaErrorStartupFailure, 127)             \
  X(cudaErrorInvalidKernelImage, 200)         \
  X(cudaErrorDeviceUninitialized, 201)        \
  X(cudaErrorNoKernelImageForDevice, 209)     \
  X(cudaErrorECCUncorrectable, 214)           \
  X(cudaErrorInvalidPtx, 218)                 \
  X(cudaErrorNvlinkUncorrectable, 220)        \
  X(cudaErrorJitCompilerNotFound, 221)        \
  X(cudaErrorUnsupportedPtxVersion, 222)      \
  X(cudaErrorJitCompilationDisabled, 223)     \
  X(cudaErrorOperatingSystem, 304)            \
  X(cudaErrorInvalidResourceHandle, 400)      \
  X(cudaErrorIllegalState, 401)               \
  X(cudaErrorIllegalAddress, 700)             \
  X(cudaErrorLaunchTimeout, 702)              \
  X(cudaErrorContextIsDestroyed, 709)         \
  X(cudaErrorAssert, 710)                     \
  X(cudaErrorHardwareStackError, 714)         \
  X(cudaErrorIllegalInstruction, 715)         \
  X(cudaErrorMisalignedAddress, 716)          \
  X(cudaErrorInvalidAddressSpace, 717)        \
  X(cudaErrorInvalidPc, 718)                  \
  X(cudaErrorLaunchFailure, 719)              \
  X(cudaErrorSystemNotReady, 802)             \
  X(cudaErrorSystemDriverMismatch, 803)       \
  X(cudaErrorCompatNotSupportedOnDevice, 804) \
  X(cudaErrorMpsConnectionFailed, 805)        \
  X(cudaErrorMpsRpcFailure, 806)              \
  X(cudaErrorMpsServerNotReady, 807)          \
  X(cudaErrorMpsMaxClientsReached, 808)       \
  X(cudaErrorMpsMaxConnectionsReached, 809)   \
  X(cudaErrorMpsClientTerminated, 810)        \
  X(cudaErrorStreamCaptureUnsupported, 900)   \
  X(cudaErrorStreamCaptureInvalidated, 901)   \
  X(cudaErrorExternalDevice, 911)             \
  X(cudaErrorUnknown, 999)

enum cudaError_t {
  cudaSuccess = 0,
#define DINOMALY_DECLARE(name, number) name = number,
  DINOMALY_CUDA_ERRORS(DINOMALY_DECLARE)
#undef DINOMALY_DECLARE
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal = 0,
  cudaStreamCaptureModeThreadLocal = 1,
  cudaStreamCaptureModeRelaxed = 2,
};
enum cudaStreamCaptureStatus {
  cudaStreamCaptureStatusNone = 0,
  cudaStreamCaptureStatusActive = 1,
  cudaStreamCaptureStatusInvalidated = 2,
};
struct cudaDeviceProp {
  char name[256];
  int major, minor, multiProcessorCount;
  size_t totalGlobalMem;
};
struct cudaFuncAttributes {
  int binaryVersion;
};
constexpr int CUDART_VERSION = 13000;
constexpr unsigned cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2;

const char* cudaGetErrorName(cudaError_t error);
const char* cudaGetErrorString(cudaError_t error);
/// Of the calling thread, which forgets it unless its device is lost.
cudaError_t cudaGetLastError();

cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaGetDeviceCount(int* count);
/// Of the calling thread.
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel);
template <typename... Parameters>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, void (*kernel)(Parameters...)) {
  return cudaFuncGetAttributes(attributes, reinterpret_cast<const void*>(kernel));
}

cudaError_t cudaMalloc(void** memory, size_t bytes);
cudaError_t cudaFree(void* memory);
cudaError_t cudaMallocHost(void** memory, size_t bytes);
cudaError_t cudaFreeHost(void* memory);
cudaError_t cudaMemGetInfo(size_t* free, size_t* all);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream);

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);

/// Only thread-local, and one recording of a thread at a time.
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status);
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode);
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream);

namespace dinomaly::emulated {

/// All that a stream computes comes through here: it runs at once, or joins the recording that is made of the stream.
cudaError_t enqueue(cudaStream_t stream, std::function<void()> work);

/// Whether streams that are made from now on run their work only when somebody waits for it, which a device is free to
/// do: what misses an event or reuses memory too early then computes something else.
void setLateStreams(bool late);

}  // namespace dinomaly::emulated
