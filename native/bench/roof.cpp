// dinomaly_roof: what the matrix library alone would need for a network's products. Speaks the benchmark's protocol,
// bench/sides/protocol.mjs: a work's network, size, batch and threads in, milliseconds a batch out.
#include <omp.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "bench/products.h"
#include "bench/stopwatch.h"
#include "bench/work.h"

namespace {

using namespace dinomaly::bench;
using nlohmann::json;

/// The least repetitions of a product whose best is taken.
constexpr int64_t kRepetitions = 3;

using Watches = std::vector<std::pair<Product, Stopwatch>>;

Watches prepare(const Work& work) {
  omp_set_num_threads(work.threads);
  Watches watches;
  for (const Product& product : productsOf(work)) watches.emplace_back(product, Stopwatch(product));
  return watches;
}

double millisecondsOfBatch(Watches& watches, int64_t repetitions) {
  double seconds = 0;
  for (auto& [product, watch] : watches) seconds += static_cast<double>(product.times) * watch.seconds(repetitions);
  return 1e3 * seconds;
}

}  // namespace

int main() {
  Watches watches;
  for (std::string line; std::getline(std::cin, line);) {
    json answer;
    try {
      const json request = json::parse(line);
      if (request.at("do") == "prepare") {
        watches = prepare(workOf(request.at("work")));
        answer = {{"ready", true}, {"version", "oneDNN " + dinomaly::oneDnnVersion()}};
      } else {
        const int64_t calls = request.at("calls");
        const double each = millisecondsOfBatch(watches, std::max(kRepetitions, calls));
        answer = {{"milliseconds", each * static_cast<double>(calls)}};
      }
    } catch (const std::exception& error) {
      answer = {{"error", error.what()}};
    }
    std::cout << answer << std::endl;
  }
}
