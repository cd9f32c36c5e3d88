// How fast the matrix library computes one product, in the arrangement that suits it best.
#pragma once

#include <functional>
#include <limits>
#include <vector>

#include "bench/products.h"

namespace dinomaly::bench {

/// Of one product, each arrangement of the operands that the library may like best.
class Stopwatch {
 public:
  explicit Stopwatch(const Product& product);

  /// The best of `repetitions` of each arrangement that is worth it, in seconds.
  double seconds(int64_t repetitions);

 private:
  struct Arrangement {
    std::function<void()> multiply;
    double best = std::numeric_limits<double>::infinity();
  };
  std::vector<Arrangement> arrangements_;
};

}  // namespace dinomaly::bench
