#include "backend/cpu/matmul.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>

#include <string>

#include "backend/backend.h"
#include "core/error.h"

namespace dinomaly {

void multiply(float* c, int64_t stride, const MatrixView& a, const MatrixView& b, int64_t m, int64_t n, int64_t k,
              bool add) {
  // The library has OpenMP threads of its own; each of ours asks once that it use none of them.
  thread_local const bool alone = (omp_set_num_threads(1), true);
  static_cast<void>(alone);
  const dnnl_status_t status = dnnl_sgemm(a.transposed ? 'T' : 'N', b.transposed ? 'T' : 'N', m, n, k, 1.0f, a.data,
                                          a.stride, b.data, b.stride, add ? 1.0f : 0.0f, c, stride);
  if (status == dnnl_out_of_memory) {
    throw Error("ERR_OUT_OF_MEMORY", "expected memory for the matrix library's work space, found none");
  }
  if (status != dnnl_success) {
    throw Error("ERR_INTERNAL", "oneDNN refused a product of " + std::to_string(m) + "x" + std::to_string(k) + " by " +
                                    std::to_string(k) + "x" + std::to_string(n) + " with status " +
                                    std::to_string(status));
  }
}

std::string oneDnnVersion() {
  const dnnl_version_t* v = dnnl_version();
  return std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
}

}  // namespace dinomaly
