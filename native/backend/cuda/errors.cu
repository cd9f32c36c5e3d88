#include <cstring>
#include <string>

#include "backend/cuda/errors.h"
#include "core/error.h"

namespace dinomaly::cuda {
const char* adviceFor(const char* code) {
  if (std::strcmp(code, "ERR_OUT_OF_MEMORY") == 0) return "use a smaller batch, crop or encoder";
  if (std::strcmp(code, "ERR_DEVICE_LOST") == 0) {
    return "dispose of the models on this GPU and make them anew, in a new process if that fails too";
  }
  if (std::strcmp(code, "ERR_DEVICE_UNAVAILABLE") == 0) return "see what `dinomaly inspect` says of GPUs and drivers";
  return "please report it";
}

const char* codeOf(cudaError_t status) {
  switch (static_cast<int>(status)) {  // two of the names are not in every toolkit's header
    case cudaErrorMemoryAllocation:
      return "ERR_OUT_OF_MEMORY";
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case 226:  // cudaErrorContained
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorContextIsDestroyed:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case 721:  // cudaErrorTensorMemoryLeak
    case cudaErrorMpsRpcFailure:
    case cudaErrorMpsClientTerminated:
    case cudaErrorExternalDevice:
    case cudaErrorUnknown:  // such as of a GPU that has fallen off the bus
      return "ERR_DEVICE_LOST";
    case cudaErrorInitializationError:
    case cudaErrorStubLibrary:
    case cudaErrorInsufficientDriver:
    case cudaErrorCallRequiresNewerDriver:
    case cudaErrorDevicesUnavailable:
    case cudaErrorIncompatibleDriverContext:
    case cudaErrorInvalidDeviceFunction:
    case cudaErrorNoDevice:
    case cudaErrorInvalidDevice:
    case cudaErrorDeviceNotLicensed:
    case cudaErrorStartupFailure:
    case cudaErrorInvalidKernelImage:
    case cudaErrorDeviceUninitialized:
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidPtx:
    case cudaErrorJitCompilerNotFound:
    case cudaErrorUnsupportedPtxVersion:
    case cudaErrorJitCompilationDisabled:
    case cudaErrorOperatingSystem:
    case cudaErrorSystemNotReady:
    case cudaErrorSystemDriverMismatch:
    case cudaErrorCompatNotSupportedOnDevice:
    case cudaErrorMpsConnectionFailed:
    case cudaErrorMpsServerNotReady:
    case cudaErrorMpsMaxClientsReached:
    case cudaErrorMpsMaxConnectionsReached:
      return "ERR_DEVICE_UNAVAILABLE";
    default:
      return "ERR_INTERNAL";
  }
}

void fail(cudaError_t status, const char* what) {
  cudaGetLastError();  // or the next launch would report it again
  const char* const code = codeOf(status);
  std::string found = std::string(cudaGetErrorName(status)) + " (" + cudaGetErrorString(status) + ")";
  size_t free = 0, all = 0;
  if (status == cudaErrorMemoryAllocation && cudaMemGetInfo(&free, &all) == cudaSuccess) {
    found += " with " + std::to_string(free >> 20) + " MiB of device memory free";
  }
  throw Error(code, std::string(what) + ": expected success, found " + found + ": " + adviceFor(code));
}

}  // namespace dinomaly::cuda
