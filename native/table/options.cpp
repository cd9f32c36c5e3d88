#include "table/options.h"

#include <cstdio>
#include <stdexcept>

namespace dinomaly::table {

const char* const kUsage =
    "usage: dinomaly_table <mode>... [options]\n"
    "  test     each case against plain loops, between guard bytes, and again with other threads\n"
    "  grad     each backward pass against finite differences of its forward pass\n"
    "  perf     time, GB/s, GFLOP/s and share of the roof, at the network's shapes\n"
    "  support  what each backend takes\n"
    "  model    bytes, flops and the time that a roof allows, without running anything\n"
    "options:\n"
    "  --backend cpu|cuda   --precision f32|tf32|bf16|int8   --filter <part of a case's name>   --verbose\n"
    "  --roof <TFLOP/s>,<TB/s>   --ptxas <prebuilds/dinomaly-cuda<major>.ptxas.json>   both of mode model\n";

namespace {

void expectOneOf(const std::string& option, const std::string& value, const std::vector<std::string>& allowed) {
  std::string list;
  for (const std::string& one : allowed) {
    if (one == value) return;
    list += (list.empty() ? "" : ", ") + one;
  }
  throw std::invalid_argument(option + ": expected one of " + list + ", found " + value);
}

Roof roofOf(const std::string& text) {
  Roof roof{};
  char end = 0;
  if (std::sscanf(text.c_str(), "%lf,%lf%c", &roof.flops, &roof.bytes, &end) != 2 || roof.flops <= 0 ||
      roof.bytes <= 0) {
    throw std::invalid_argument("--roof: expected <TFLOP/s>,<TB/s> such as 790,3.35, found " + text);
  }
  return {roof.flops * 1e12, roof.bytes * 1e12};
}

}  // namespace

Options parseOptions(int count, const char* const* arguments) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string name = arguments[i];
    if (name.rfind("--", 0) != 0) {
      expectOneOf("mode", name, {"test", "grad", "perf", "support", "model"});
      options.modes.push_back(name);
      continue;
    }
    if (name == "--verbose") {
      options.verbose = true;
      continue;
    }
    expectOneOf("option", name, {"--backend", "--precision", "--filter", "--verbose", "--roof", "--ptxas"});
    if (++i == count) throw std::invalid_argument(name + ": expected a value");
    const std::string value = arguments[i];
    if (name == "--backend") expectOneOf(name, options.backend = value, {"cpu", "cuda"});
    if (name == "--precision") expectOneOf(name, options.precision = value, {"f32", "tf32", "bf16", "int8"});
    if (name == "--filter") options.filter = value;
    if (name == "--roof") options.roof = roofOf(value);
    if (name == "--ptxas") options.ptxas = value;
  }
  if (options.modes.empty()) throw std::invalid_argument("expected a mode");
  return options;
}

}  // namespace dinomaly::table
