#include <algorithm>
#include <cstdio>

#include "table/cases.h"
#include "table/cost.h"
#include "table/modes.h"
#include "table/ptxas.h"

namespace dinomaly::table {
namespace {

void printKernels(const Case& c, const std::vector<Kernel>& kernels) {
  for (const Kernel& k : kernels) {
    if (k.source.size() < c.source.size() || k.source.substr(k.source.size() - c.source.size()) != c.source) continue;
    std::printf("      %-60s %-8s %3lld registers, %lld bytes of static shared memory, %3.0f %% of the warps\n",
                k.name.c_str(), k.architecture.c_str(), static_cast<long long>(k.registers),
                static_cast<long long>(k.sharedBytes), 100 * k.occupancy());
  }
}

/// What the roof allows for all that scoring a batch calls, by what bounds it.
struct Scoring {
  int64_t operations = 0;
  double inProducts = 0, inMemory = 0;  // seconds

  void add(const Case& c, const Cost& cost, const Roof& roof) {
    operations += c.scored;
    (cost.boundByProducts(roof) ? inProducts : inMemory) += static_cast<double>(c.scored) * cost.least(roof);
  }
};

void print(const Network& network, const Scoring& s) {
  const double all = s.inProducts + s.inMemory;
  std::printf(
      "%-8s %3lld  scoring a batch: %lld operations, products %.3f ms, memory %.3f ms, %.3f ms in all, %.1f us a "
      "picture\n",
      network.name.c_str(), static_cast<long long>(network.images), static_cast<long long>(s.operations),
      s.inProducts * 1e3, s.inMemory * 1e3, all * 1e3, all * 1e6 / static_cast<double>(network.images));
}

}  // namespace

void printModel(const Options& options) {
  const int64_t elementBytes = options.precision.empty() || options.precision == "bf16" ? 2 : 4;
  const std::vector<Kernel> kernels = options.ptxas.empty() ? std::vector<Kernel>{} : readKernels(options.ptxas);
  std::printf("roof %.1f TFLOP/s, %.2f TB/s; activations of %lld bytes\n", options.roof.flops / 1e12,
              options.roof.bytes / 1e12, static_cast<long long>(elementBytes));
  std::string source;
  for (const Network& network : networksFor(options.backend.empty() ? "cuda" : options.backend)) {
    Scoring scoring;
    for (const Case& c : networkCases(network)) {
      if (!options.wants(c)) continue;
      const Cost cost = costOf(c, elementBytes);
      std::printf("%-8s %3lld  %-68s %10.2f MB %10.2f GFLOP %8.1f FLOP/byte  %9.2f us, %s\n", network.name.c_str(),
                  static_cast<long long>(network.images), c.name().c_str(), cost.bytes / 1e6, cost.flops / 1e9,
                  cost.intensity(), cost.least(options.roof) * 1e6,
                  cost.boundByProducts(options.roof) ? "products" : "memory");
      scoring.add(c, cost, options.roof);
      if (c.source != source) printKernels(c, kernels);
      source = c.source;
    }
    print(network, scoring);
  }
}

}  // namespace dinomaly::table
