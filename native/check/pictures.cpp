#include "check/pictures.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

#include "check/tensor_index.h"
#include "core/error.h"

namespace dinomaly::check {
namespace {

std::vector<uint8_t> readBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error("ERR_FILE_NOT_FOUND", "'" + path + "' cannot be opened.");
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<float> readOnlyTensor(const std::string& index) {
  const std::vector<TensorSource> sources = readIndex(index);
  if (sources.size() != 1) {
    throw Error("ERR_FILE_FORMAT",
                "'" + index + "': expected one tensor, found " + std::to_string(sources.size()) + ".");
  }
  return TensorReader().read(sources[0]);
}

template <typename T>
void takeEach(std::vector<T>& to, const std::vector<T>& from, const std::vector<int64_t>& order, int64_t size) {
  if (from.empty()) return;
  to.clear();
  for (const int64_t i : order) to.insert(to.end(), from.begin() + i * size, from.begin() + (i + 1) * size);
}

}  // namespace

Pictures::Pictures(const Flags& flags) : side_(flags.number("--side")) {
  if (flags.has("--pixels")) {
    pixels_ = readBytes(flags.text("--pixels"));
  } else {
    tensor_ = readOnlyTensor(flags.text("--tensor"));
  }
  const auto size = static_cast<int64_t>(pixels_.size() + tensor_.size()), each = 3 * side_ * side_;
  if (size == 0 || size % each != 0) {
    throw Error("ERR_FILE_FORMAT", "expected pictures of " + std::to_string(each) + " numbers each, found " +
                                       std::to_string(size) + " numbers");
  }
  count_ = size / each;
}

Pictures::Pictures(int64_t count, int64_t side)
    : count_(count), side_(side), pixels_(static_cast<size_t>(count * side * side * 3)) {
  for (size_t i = 0; i < pixels_.size(); ++i) pixels_[i] = static_cast<uint8_t>(i * 2654435761u >> 24);
}

std::vector<const uint8_t*> Pictures::pixels() const {
  std::vector<const uint8_t*> each;
  for (int64_t i = 0; i < count_; ++i) each.push_back(pixels_.data() + i * 3 * side_ * side_);
  return each;
}

Images Pictures::all() const {
  Images images;
  images.pixels = pixels_.empty() ? nullptr : pixels_.data();
  images.tensor = tensor_.empty() ? nullptr : tensor_.data();
  images.count = count_;
  images.height = images.width = side_;
  return images;
}

Images Pictures::take(const std::vector<int64_t>& order) {
  const auto isThere = [&](int64_t i) { return i >= 0 && i < count_; };
  if (!std::all_of(order.begin(), order.end(), isThere)) {
    throw Error("ERR_INVALID_ARGUMENT", "expected numbers of pictures below " + std::to_string(count_));
  }
  takeEach(takenPixels_, pixels_, order, 3 * side_ * side_);
  takeEach(takenTensor_, tensor_, order, 3 * side_ * side_);
  Images images;
  images.pixels = pixels_.empty() ? nullptr : takenPixels_.data();
  images.tensor = tensor_.empty() ? nullptr : takenTensor_.data();
  images.count = static_cast<int64_t>(order.size());
  images.height = images.width = side_;
  return images;
}

}  // namespace dinomaly::check
