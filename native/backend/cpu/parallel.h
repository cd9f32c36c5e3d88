// Loops over OpenMP's threads. Exceptions may not leave a parallel region: the first one is kept and thrown after it.
#pragma once

#include <cstdint>
#include <exception>

namespace dinomaly {

/// Also for a single task: inside a parallel region the matrix library keeps to the calling thread.
template <typename Body>
void parallelFor(int64_t count, const Body& body) {
  std::exception_ptr failure;
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t i = 0; i < count; ++i) {
    try {
      body(i);
    } catch (...) {
#pragma omp critical(dinomaly_failure)
      if (!failure) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

/// body(begin, end) over blocks of `block` items; the blocks do not depend on the number of threads.
template <typename Body>
void parallelBlocks(int64_t size, int64_t block, const Body& body) {
  parallelFor((size + block - 1) / block, [&](int64_t i) {
    const int64_t begin = i * block;
    body(begin, begin + block < size ? begin + block : size);
  });
}

}  // namespace dinomaly
