// cuBLASLt's functions, opened at run time: a machine without CUDA, or with another major version, must not fail to
// load this library.
#pragma once

#include <string>

#if defined(__CUDACC__)
#include <cublasLt.h>
#else
#include "backend/cuda/emulated/cublaslt.h"
#endif

namespace dinomaly::cuda {

struct CublasLt {
  decltype(&cublasLtGetVersion) getVersion;
  decltype(&cublasLtCreate) create;
  decltype(&cublasLtDestroy) destroy;
  decltype(&cublasLtMatmulDescCreate) matmulDescCreate;
  decltype(&cublasLtMatmulDescDestroy) matmulDescDestroy;
  decltype(&cublasLtMatmulDescSetAttribute) matmulDescSetAttribute;
  decltype(&cublasLtMatrixLayoutCreate) matrixLayoutCreate;
  decltype(&cublasLtMatrixLayoutDestroy) matrixLayoutDestroy;
  decltype(&cublasLtMatmulPreferenceCreate) matmulPreferenceCreate;
  decltype(&cublasLtMatmulPreferenceDestroy) matmulPreferenceDestroy;
  decltype(&cublasLtMatmulPreferenceSetAttribute) matmulPreferenceSetAttribute;
  decltype(&cublasLtMatmulAlgoGetHeuristic) matmulAlgoGetHeuristic;
  decltype(&cublasLtMatmulAlgoCheck) matmulAlgoCheck;
  decltype(&cublasLtMatmulAlgoConfigGetAttribute) matmulAlgoConfigGetAttribute;
  decltype(&cublasLtMatmul) matmul;
};

/// Opened by the first call that succeeds, for the whole process: from `path`, or if that is null by its name, as the
/// system finds it. Throws ERR_DEVICE_UNAVAILABLE with the names that were tried.
void openCublasLt(const char* path);
/// What was opened.
const CublasLt& cublasLt();
/// The file that it came from.
std::string cublasLtPath();

}  // namespace dinomaly::cuda
