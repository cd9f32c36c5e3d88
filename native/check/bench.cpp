#include <chrono>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>

#include "check/commands.h"
#include "check/device.h"
#include "check/network.h"
#include "check/pictures.h"
#include "core/error.h"

namespace dinomaly::check {
namespace {

/// A network and the work that is timed on it. run() ends with the results on the host.
class Bench {
 public:
  explicit Bench(const Flags& flags) : network_(flags), side_(flags.number("--side")) {
    network_.beginTraining({}, 0.1);
  }

  void run(const std::string& work, int64_t batch, int64_t calls) {
    const Images images = picturesOf(batch).all();
    if (work == "score") return score(batch, calls);
    if (work == "train") {
      repeat(calls, [&] { step(network_.encode(images)); });
    } else if (work == "train-cached") {
      repeat(calls, [&] { step(featuresOf(batch)); });
    } else {
      throw Error("ERR_INVALID_ARGUMENT", "expected score, train or train-cached, found '" + work + "'");
    }
    network_.result();
  }

 private:
  /// Of one picture how soon it is there; of more, how fast they go by when more are waiting.
  void score(int64_t batch, int64_t calls) {
    const std::vector<const uint8_t*> pictures = picturesOf(batch).pixels();
    const auto done = [](const MapsView&) {};  // they are on the host
    if (batch == 1) return repeat(calls, [&] { network_.score(pictures, side_, batch, done); });
    std::vector<const uint8_t*> all;
    for (int64_t i = 0; i < calls; ++i) all.insert(all.end(), pictures.begin(), pictures.end());
    network_.score(all, side_, batch, done);
  }
  static void repeat(int64_t calls, const std::function<void()>& call) {
    for (int64_t i = 0; i < calls; ++i) call();
  }
  void step(const std::vector<Features>& features) { network_.step(features, iteration_++); }
  const Pictures& picturesOf(int64_t batch) { return pictures_.try_emplace(batch, batch, side_).first->second; }
  const std::vector<Features>& featuresOf(int64_t batch) {
    const auto kept = features_.find(batch);
    if (kept != features_.end()) return kept->second;
    return features_.emplace(batch, network_.encode(picturesOf(batch).all())).first->second;
  }

  Network network_;
  int64_t side_, iteration_ = 0;
  std::map<int64_t, Pictures> pictures_;  // by batch
  std::map<int64_t, std::vector<Features>> features_;
};

}  // namespace

/// For a line `<work> <batch> <calls>`, prints how many milliseconds a call took and how many bytes of the device are
/// used afterwards.
void bench(const Flags& flags) {
  using Clock = std::chrono::steady_clock;
  Bench bench(flags);
  std::cout << deviceText() << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string work;
    int64_t batch = 0, calls = 0;
    words >> work >> batch >> calls;
    const Clock::time_point start = Clock::now();
    bench.run(work, batch, calls);
    const std::chrono::duration<double, std::milli> taken = Clock::now() - start;
    std::cout << taken.count() / static_cast<double>(calls) << ' ' << deviceBytesUsed() << std::endl;
  }
}

}  // namespace dinomaly::check
