// CUDA's means over groups of targets, on the emulated device, against its sums one by one, bit for bit.
#include <limits>

#include "backend/cuda/group_means.h"
#include "backend/cuda/tokens.h"
#include "cuda_support.h"

using namespace dinomaly;
using namespace dinomaly::cuda;

namespace {

constexpr int64_t kImages = 3, kPatches = 6;
const std::vector<std::vector<float>> kWeights = {
    {0.5f, 0, 0.5f, 0, 0, 0, 0, 0}, {0, 0.3f, 0.2f, 0.1f, 0, 0, 0.4f, 0}, {1, 0, 0, 0, 0, 0, 0, 0}};

/// The mean, then each group's.
template <typename T>
using Results = std::vector<std::vector<T>>;

template <typename T>
struct Inputs {
  int64_t before, dim;
  std::vector<std::vector<T>> tokens;
  int64_t tokenCount() const { return before + kPatches; }

  Inputs(size_t count, int64_t registers, int64_t channels) : before(1 + registers), dim(channels) {
    for (size_t i = 0; i < count; ++i) {
      tokens.push_back(as<T>(noise(kImages * tokenCount() * dim, static_cast<uint32_t>(i + 1))));
    }
  }
};

template <typename T>
Results<T> oneByOne(const Inputs<T>& in) {
  const int64_t size = in.tokenCount() * in.dim;
  const float share = 1.0f / static_cast<float>(in.tokens.size());
  Results<T> results = {std::vector<T>(static_cast<size_t>(kImages * size))};
  std::vector<Term<T>> all;
  for (const std::vector<T>& x : in.tokens) all.push_back({x.data(), share, size});
  weightedSum(Stream(), results[0].data(), size, all, kImages, size);
  for (const std::vector<float>& weights : kWeights) {
    std::vector<Term<T>> members;
    for (size_t i = 0; i < all.size(); ++i) {
      if (weights[i] != 0) members.push_back({all[i].x, weights[i], size});
    }
    results.emplace_back(static_cast<size_t>(kImages * kPatches * in.dim));
    takePatches(Stream(), results.back().data(), members, kImages, in.tokenCount(), kPatches, in.dim);
  }
  return results;
}

/// shift: by as many elements every tensor begins behind a boundary.
template <typename T>
Results<T> together(const Inputs<T>& in, size_t shift) {
  const auto shifted = [shift](const std::vector<T>& x) {
    std::vector<T> moved(x.size() + shift);
    std::copy(x.begin(), x.end(), moved.begin() + static_cast<std::ptrdiff_t>(shift));
    return moved;
  };
  const auto ofPatches = static_cast<size_t>(kImages * kPatches * in.dim);
  Results<T> results = {shifted(std::vector<T>(in.tokens[0].size()))}, inputs;
  std::vector<T*> groups;
  std::vector<const T*> tokens;
  std::vector<float> weights;
  results.reserve(kWeights.size() + 1);
  for (const std::vector<float>& ofGroup : kWeights) {
    results.push_back(shifted(std::vector<T>(ofPatches)));
    groups.push_back(results.back().data() + shift);
    weights.insert(weights.end(), ofGroup.begin(), ofGroup.begin() + static_cast<std::ptrdiff_t>(in.tokens.size()));
  }
  for (const std::vector<T>& x : in.tokens) inputs.push_back(shifted(x));
  for (const std::vector<T>& x : inputs) tokens.push_back(x.data() + shift);
  groupMeans(Stream(), results[0].data() + shift, groups, weights.data(), tokens, kImages, in.tokenCount(), kPatches,
             in.dim);
  for (std::vector<T>& result : results)
    result.erase(result.begin(), result.begin() + static_cast<std::ptrdiff_t>(shift));
  return results;
}

template <typename T>
void check(const Inputs<T>& in) {
  CAPTURE(in.tokens.size());
  CAPTURE(in.before);
  CAPTURE(in.dim);
  const Results<T> expected = oneByOne(in);
  for (const size_t shift : {0, 1}) {
    for (size_t i = 0; i < expected.size(); ++i) {
      const std::vector<T> found = inEveryOrder<T>([&] { return together(in, shift)[i]; });
      CHECK(sameBits(found, expected[i]));
    }
  }
}

}  // namespace

TEST_CASE_TEMPLATE("CUDA's means over groups are those of its sums one by one", T, float, bf16) {
  for (const size_t count : {3, 7, 8}) {
    check(Inputs<T>(count, 4, 96));
    check(Inputs<T>(count, 0, 33));
  }
  check(Inputs<T>(8, 1, 600));
}

TEST_CASE_TEMPLATE("CUDA's means over groups have nothing of what is in no group", T, float, bf16) {
  Inputs<T> in(8, 4, 64);
  in.tokens[5].assign(in.tokens[5].size(), as<T>({std::numeric_limits<float>::quiet_NaN()})[0]);
  const Results<T> found = together(in, 0);
  CHECK(std::isnan(toFloat(found[0][0])));
  in.tokens[5] = in.tokens[4];
  const Results<T> sound = together(in, 0);
  for (size_t g = 1; g < found.size(); ++g) CHECK(sameBits(found[g], sound[g]));
}
