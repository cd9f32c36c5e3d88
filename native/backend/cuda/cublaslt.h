// cuBLASLt's functions, opened at run time: a machine without CUDA, or with another major version, must not fail to
// load this library.
#pragma once

#if defined(__CUDACC__)
#include <cublasLt.h>
#else
#include "backend/cuda/emulated/cublaslt.h"
#endif

namespace dinomaly::cuda {

struct CublasLt {
  decltype(&cublasLtCreate) create;
  decltype(&cublasLtDestroy) destroy;
  decltype(&cublasLtGetVersion) getVersion;
  decltype(&cublasLtMatmulDescCreate) matmulDescCreate;
  decltype(&cublasLtMatmulDescDestroy) matmulDescDestroy;
  decltype(&cublasLtMatmulDescSetAttribute) matmulDescSetAttribute;
  decltype(&cublasLtMatrixLayoutCreate) matrixLayoutCreate;
  decltype(&cublasLtMatrixLayoutDestroy) matrixLayoutDestroy;
  decltype(&cublasLtMatmulPreferenceCreate) matmulPreferenceCreate;
  decltype(&cublasLtMatmulPreferenceDestroy) matmulPreferenceDestroy;
  decltype(&cublasLtMatmulPreferenceSetAttribute) matmulPreferenceSetAttribute;
  decltype(&cublasLtMatmulAlgoGetHeuristic) matmulAlgoGetHeuristic;
  decltype(&cublasLtMatmul) matmul;
};

/// Opened by the first call. Throws ERR_DEVICE_UNAVAILABLE with the names that were tried.
const CublasLt& cublasLt();

}  // namespace dinomaly::cuda
