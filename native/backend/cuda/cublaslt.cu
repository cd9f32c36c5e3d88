#include <mutex>

#include "backend/cuda/cublaslt.h"
#include "core/error.h"

#if defined(__CUDACC__)
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#endif

namespace dinomaly::cuda {
namespace {

std::mutex mutex;
CublasLt functions;
bool isOpen = false;

#if defined(__CUDACC__)

template <typename Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (!function)
    throw Error("ERR_DEVICE_UNAVAILABLE", std::string("expected cuBLASLt to have ") + name + ", found none");
}

CublasLt open(const char* path) {
  // Of the major version that this library was built for: structures and numbers are its header's.
  const std::string name = path ? path : "libcublasLt.so." + std::to_string(CUDART_VERSION / 1000);
  void* const library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);  // never closed: its threads may outlive any owner
  if (!library) {
    const char* const why = dlerror();
    throw Error("ERR_DEVICE_UNAVAILABLE", "expected " + name + ", found: " + (why ? why : "nothing"));
  }
  CublasLt lt{};
  find(library, "cublasLtGetVersion", lt.getVersion);
  find(library, "cublasLtCreate", lt.create);
  find(library, "cublasLtDestroy", lt.destroy);
  find(library, "cublasLtMatmulDescCreate", lt.matmulDescCreate);
  find(library, "cublasLtMatmulDescDestroy", lt.matmulDescDestroy);
  find(library, "cublasLtMatmulDescSetAttribute", lt.matmulDescSetAttribute);
  find(library, "cublasLtMatrixLayoutCreate", lt.matrixLayoutCreate);
  find(library, "cublasLtMatrixLayoutDestroy", lt.matrixLayoutDestroy);
  find(library, "cublasLtMatmulPreferenceCreate", lt.matmulPreferenceCreate);
  find(library, "cublasLtMatmulPreferenceDestroy", lt.matmulPreferenceDestroy);
  find(library, "cublasLtMatmulPreferenceSetAttribute", lt.matmulPreferenceSetAttribute);
  find(library, "cublasLtMatmulAlgoGetHeuristic", lt.matmulAlgoGetHeuristic);
  find(library, "cublasLtMatmulAlgoCheck", lt.matmulAlgoCheck);
  find(library, "cublasLtMatmulAlgoConfigGetAttribute", lt.matmulAlgoConfigGetAttribute);
  find(library, "cublasLtMatmul", lt.matmul);
  return lt;
}

#else

CublasLt open(const char*) {
  return {
      cublasLtGetVersion,
      cublasLtCreate,
      cublasLtDestroy,
      cublasLtMatmulDescCreate,
      cublasLtMatmulDescDestroy,
      cublasLtMatmulDescSetAttribute,
      cublasLtMatrixLayoutCreate,
      cublasLtMatrixLayoutDestroy,
      cublasLtMatmulPreferenceCreate,
      cublasLtMatmulPreferenceDestroy,
      cublasLtMatmulPreferenceSetAttribute,
      cublasLtMatmulAlgoGetHeuristic,
      cublasLtMatmulAlgoCheck,
      cublasLtMatmulAlgoConfigGetAttribute,
      cublasLtMatmul,
  };
}

#endif

}  // namespace

void openCublasLt(const char* path) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (isOpen) return;
  functions = open(path);
  isOpen = true;
}

const CublasLt& cublasLt() {
  return functions;
}

std::string cublasLtPath() {
#if defined(__CUDACC__)
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(functions.matmul), &info) != 0 && info.dli_fname) return info.dli_fname;
  return "";
#else
  return "emulated";
#endif
}

}  // namespace dinomaly::cuda
