// CUDA's many copies in a launch, on the emulated device.
#include "backend/cuda/copies.h"
#include "cuda_support.h"

using namespace dinomaly;
using namespace dinomaly::cuda;

namespace {

/// Copies pieces of these sizes, each in memory of its own that begins `shift` elements behind a boundary.
template <typename T>
void check(const std::vector<size_t>& sizes, size_t shift) {
  CAPTURE(sizes.size());
  CAPTURE(shift);
  std::vector<std::vector<T>> from;
  for (const size_t size : sizes) {
    from.push_back(as<T>(noise(static_cast<int64_t>(shift + size), static_cast<uint32_t>(from.size() + 1))));
  }
  const std::vector<T> found = inEveryOrder<T>([&] {
    std::vector<std::vector<T>> to;
    std::vector<CopyOf<T>> copies;
    for (const std::vector<T>& piece : from) {
      to.emplace_back(piece.size());
      copies.push_back({to.back().data() + shift, piece.data() + shift, static_cast<int64_t>(piece.size() - shift)});
    }
    copyEach(Stream(), copies);
    std::vector<T> all;
    for (const std::vector<T>& piece : to) all.insert(all.end(), piece.begin(), piece.end());
    return all;
  });
  std::vector<T> expected;
  for (std::vector<T> piece : from) {
    std::fill_n(piece.begin(), shift, T{});
    expected.insert(expected.end(), piece.begin(), piece.end());
  }
  CHECK(sameBits(found, expected));
}

}  // namespace

TEST_CASE_TEMPLATE("CUDA copies many pieces of any sizes, on boundaries and beside them", T, float, bf16) {
  for (const size_t shift : {0, 1}) {
    check<T>({}, shift);
    check<T>({0, 0}, shift);
    check<T>({8}, shift);
    check<T>({1000, 4096, 8, 0, 5000}, shift);
    check<T>({1000, 4096, 9, 0, 5001}, shift);
    check<T>(std::vector<size_t>(300, 16), shift);
  }
}
