// dinomaly_profile: where the time of scoring a batch goes. A work as JSON and the number of batches in, JSON out: the
// milliseconds of a batch, and of each operation at each shape its calls, milliseconds and GFLOP/s.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "bench/profiled_backend.h"
#include "bench/work.h"
#include "model/dinomaly.h"

namespace {

using namespace dinomaly;
using namespace dinomaly::bench;
using nlohmann::json;

json operationsOf(const ProfiledBackend& backend, int64_t batches) {
  const auto each = static_cast<double>(batches);
  json operations = json::array();
  for (const auto& [name, taken] : backend.taken()) {
    operations.push_back({{"operation", name},
                          {"calls", taken.calls / batches},
                          {"milliseconds", 1e3 * taken.seconds / each},
                          {"gflops", taken.flops / taken.seconds / 1e9}});
  }
  return operations;
}

json profile(const Work& work, int64_t batches) {
  auto made = std::make_unique<ProfiledBackend>(work.threads, work.precision);
  ProfiledBackend& backend = *made;
  Dinomaly model(work.network, std::move(made));
  model.initialise(true, 1);
  const std::vector<uint8_t> picture(static_cast<size_t>(3 * work.side * work.side), 128);
  const std::vector<const uint8_t*> pictures(static_cast<size_t>(work.batch), picture.data());
  const auto score = [&] { model.score(pictures, work.side, work.side, {}, [](const MapsView&) {}); };
  score();  // plans, scratch memory, positions
  backend.forget();
  const auto begin = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < batches; ++i) score();
  const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - begin;
  return {{"milliseconds", taken.count() / static_cast<double>(batches)},
          {"operations", operationsOf(backend, batches)}};
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::cerr << "expected a work as JSON and the number of batches\n";
    return 2;
  }
  try {
    const int64_t batches = std::max(std::atoll(arguments[2]), 1LL);
    std::cout << profile(workOf(json::parse(arguments[1])), batches) << std::endl;
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
