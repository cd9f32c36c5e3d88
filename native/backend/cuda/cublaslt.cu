#include "backend/cuda/cublaslt.h"

#if defined(__CUDACC__)
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <string>

#include "core/error.h"
#endif

namespace dinomaly::cuda {

#if defined(__CUDACC__)

namespace {

template <typename Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (!function)
    throw Error("ERR_DEVICE_UNAVAILABLE", std::string("expected cuBLASLt to have ") + name + ", found none");
}

CublasLt open() {
  // Of the major version that this library was built for: structures and numbers are its header's.
  const std::string name = "libcublasLt.so." + std::to_string(CUDART_VERSION / 1000);
  void* const library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* const why = dlerror();
    throw Error("ERR_DEVICE_UNAVAILABLE", "expected " + name + ", found: " + (why ? why : "nothing"));
  }
  CublasLt lt{};
  find(library, "cublasLtCreate", lt.create);
  find(library, "cublasLtDestroy", lt.destroy);
  find(library, "cublasLtGetVersion", lt.getVersion);
  find(library, "cublasLtMatmulDescCreate", lt.matmulDescCreate);
  find(library, "cublasLtMatmulDescDestroy", lt.matmulDescDestroy);
  find(library, "cublasLtMatmulDescSetAttribute", lt.matmulDescSetAttribute);
  find(library, "cublasLtMatrixLayoutCreate", lt.matrixLayoutCreate);
  find(library, "cublasLtMatrixLayoutDestroy", lt.matrixLayoutDestroy);
  find(library, "cublasLtMatmulPreferenceCreate", lt.matmulPreferenceCreate);
  find(library, "cublasLtMatmulPreferenceDestroy", lt.matmulPreferenceDestroy);
  find(library, "cublasLtMatmulPreferenceSetAttribute", lt.matmulPreferenceSetAttribute);
  find(library, "cublasLtMatmulAlgoGetHeuristic", lt.matmulAlgoGetHeuristic);
  find(library, "cublasLtMatmul", lt.matmul);
  return lt;
}

}  // namespace

const CublasLt& cublasLt() {
  static const CublasLt functions = open();  // never closed: its threads may outlive any owner
  return functions;
}

#else

const CublasLt& cublasLt() {
  static const CublasLt functions = {
      cublasLtCreate,
      cublasLtDestroy,
      cublasLtGetVersion,
      cublasLtMatmulDescCreate,
      cublasLtMatmulDescDestroy,
      cublasLtMatmulDescSetAttribute,
      cublasLtMatrixLayoutCreate,
      cublasLtMatrixLayoutDestroy,
      cublasLtMatmulPreferenceCreate,
      cublasLtMatmulPreferenceDestroy,
      cublasLtMatmulPreferenceSetAttribute,
      cublasLtMatmulAlgoGetHeuristic,
      cublasLtMatmul,
  };
  return functions;
}

#endif

}  // namespace dinomaly::cuda
