#include "model/config.h"

#include <string>

#include "core/error.h"

namespace dinomaly {
namespace {

void expect(bool holds, const std::string& expected, const std::string& found) {
  if (!holds) throw Error("ERR_INVALID_ARGUMENT", "expected " + expected + ", found " + found);
}

void expectRange(const char* field, int64_t value, int64_t least, int64_t most) {
  expect(value >= least && value <= most,
         std::string(field) + " between " + std::to_string(least) + " and " + std::to_string(most),
         std::to_string(value));
}

}  // namespace

void ModelConfig::validate() const {
  const EncoderConfig& e = encoder;
  expectRange("encoder.dim", e.dim, 1, 16384);
  expectRange("encoder.heads", e.heads, 1, e.dim);
  expect(e.dim % e.heads == 0, "encoder.dim to be a multiple of encoder.heads",
         std::to_string(e.dim) + " and " + std::to_string(e.heads));
  expectRange("encoder.depth", e.depth, 1, 1024);
  expectRange("encoder.patch", e.patch, 1, 256);
  expectRange("encoder.grid", e.grid, 1, 1024);
  expectRange("encoder.registers", e.registers, 0, 1024);
  expect(!e.targets.empty(), "at least one of encoder.targets", "none");
  for (size_t i = 0; i < e.targets.size(); ++i) {
    expectRange("encoder.targets", e.targets[i], i ? e.targets[i - 1] + 1 : 0, e.depth - 1);
  }
  const auto targets = static_cast<int64_t>(e.targets.size());
  expect(decoderDepth == targets, "decoderDepth to be the number of targets, " + std::to_string(targets),
         std::to_string(decoderDepth));
  expect(!groups.empty(), "at least one group", "none");
  for (const auto& group : groups) {
    expect(!group.empty(), "at least one index in each group", "none");
    for (int64_t index : group) expectRange("each index in groups", index, 0, targets - 1);
  }
  expect(dropout >= 0 && dropout < 1, "dropout at least 0 and below 1", std::to_string(dropout));
}

}  // namespace dinomaly
