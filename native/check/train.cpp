#include <utility>

#include "check/commands.h"
#include "check/network.h"
#include "check/pictures.h"

namespace dinomaly::check {
namespace {

Schedule scheduleOf(const Flags& flags) {
  Schedule schedule;
  schedule.iterations = flags.number("--iterations");
  schedule.warmup = flags.number("--warmup");
  schedule.discardWarmup = flags.number("--discard-warmup");
  return schedule;
}

}  // namespace

/// --order: the numbers of the pictures, --batch of them for each step.
void train(const Flags& flags) {
  Pictures pictures(flags);
  Network network(flags);
  const std::vector<int64_t> order = flags.numbers("--order");
  const int64_t batch = flags.number("--batch"), steps = static_cast<int64_t>(order.size()) / batch;
  network.beginTraining(scheduleOf(flags), flags.real("--clip-norm"));
  std::vector<float> losses, norms;
  for (int64_t it = 0; it < steps; ++it) {
    const auto first = order.begin() + it * batch;
    network.step(network.encode(pictures.take({first, first + batch})), it);
    const StepResult found = network.result();
    losses.push_back(static_cast<float>(found.loss));
    norms.push_back(static_cast<float>(found.gradientNorm));
  }
  Results results;
  results.add("losses", {steps}, std::move(losses));
  results.add("gradient_norms", {steps}, std::move(norms));
  network.addParameters(results);
  if (flags.has("--gradients")) network.addGradients(results);
  results.write(flags.text("--results"));
}

}  // namespace dinomaly::check
