#include <algorithm>
#include <charconv>
#include <cstddef>
#include <limits>
#include <string_view>
#include <vector>

#include "backend/cuda/product_choices.h"
#include "core/error.h"

namespace dinomaly::cuda {
namespace {

constexpr std::string_view kFirstLine = "dinomaly products 1";
constexpr size_t kHexDigits = 16;        // of one of an algorithm's words
constexpr size_t kMostCharacters = 255;  // of a device's name, in CUDA

constexpr std::array<std::string_view, 3> kPrecisions = {"f32", "tf32", "bf16"};  // in Precision's order
constexpr std::array<std::string_view, 2> kResults = {"f32", "bf16"};
constexpr std::array<std::string_view, 2> kTransposed = {"n", "t"};
constexpr std::array<std::string_view, 2> kBias = {"-", "bias"};
constexpr std::array<std::string_view, 2> kGelu = {"-", "gelu"};
constexpr std::array<std::string_view, 2> kOld = {"-", "old"};

bool isPrintable(char c) {
  return c >= ' ' && c <= '~';
}

/// The beginning of what was found, fit for a message.
std::string shown(std::string_view found) {
  constexpr size_t kMostShown = 40;
  std::string text(found.substr(0, kMostShown));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return !isPrintable(c); }, '?');
  return "'" + text + (found.size() > kMostShown ? "...'" : "'");
}

[[noreturn]] void refuse(size_t line, const std::string& expected, const std::string& found) {
  throw Error("ERR_FILE_FORMAT", "the choices of matrix products, line " + std::to_string(line) + ": expected " +
                                     expected + ", found " + found + "; without them products are timed again");
}

/// A line, taken apart at its tabs.
class Fields {
 public:
  Fields(std::string_view text, size_t line) : rest_(text), line_(line) {}

  std::string_view next(const char* what) {
    if (ended_) refuse(line_, what, "the line's end");
    const size_t tab = rest_.find('\t');
    const std::string_view field = rest_.substr(0, tab);
    ended_ = tab == std::string_view::npos;
    rest_.remove_prefix(ended_ ? rest_.size() : tab + 1);
    return field;
  }
  void end() const {
    if (!ended_) refuse(line_, "the line's end", shown(rest_));
  }

  std::string name() {
    const std::string_view field = next("a device's name");
    if (field.empty() || field.size() > kMostCharacters || !std::all_of(field.begin(), field.end(), isPrintable)) {
      refuse(line_, "a device's name", shown(field));
    }
    return std::string(field);
  }
  /// As std::to_string() writes it.
  template <typename Number>
  Number number(const char* what, Number least) {
    const std::string_view field = next(what);
    Number value{};
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
    if (error != std::errc() || value < least || std::to_string(value) != field) refuse(line_, what, shown(field));
    return value;
  }
  template <size_t kCount>
  size_t oneOf(const char* what, const std::array<std::string_view, kCount>& words) {
    const std::string_view field = next(what);
    const auto found = std::find(words.begin(), words.end(), field);
    if (found == words.end()) refuse(line_, what, shown(field));
    return static_cast<size_t>(found - words.begin());
  }
  ProductAlgorithm algorithm() {
    const std::string_view field = next("an algorithm");
    ProductAlgorithm words{};
    const bool isHex = field.find_first_not_of("0123456789abcdef") == std::string_view::npos;
    if (!isHex || field.size() != words.size() * kHexDigits) {
      refuse(line_, "an algorithm of 128 hexadecimal digits", shown(field));
    }
    for (size_t i = 0; i < words.size(); ++i) {
      const char* const digits = field.data() + i * kHexDigits;
      std::from_chars(digits, digits + kHexDigits, words[i], 16);
    }
    return words;
  }

 private:
  std::string_view rest_;
  size_t line_;
  bool ended_ = false;
};

ProductPlace placeFrom(Fields& fields) {
  ProductPlace place{};
  place.device = fields.name();
  place.computeMajor = fields.number("a compute capability", 0);
  place.computeMinor = fields.number("a compute capability", 0);
  place.cublasLt = fields.number("cuBLASLt's version", uint64_t{0});
  return place;
}

ProductShape shapeFrom(Fields& fields) {
  ProductShape shape{};
  shape.precision = static_cast<Precision>(fields.oneOf("a precision", kPrecisions));
  shape.bf16Result = fields.oneOf("a result's type", kResults) != 0;
  shape.leftTransposed = fields.oneOf("n or t", kTransposed) != 0;
  shape.rightTransposed = fields.oneOf("n or t", kTransposed) != 0;
  shape.m = fields.number("a size", int64_t{1});
  shape.n = fields.number("a size", int64_t{1});
  shape.k = fields.number("a size", int64_t{1});
  shape.bias = fields.oneOf("bias or -", kBias) != 0;
  shape.gelu = fields.oneOf("gelu or -", kGelu) != 0;
  shape.old = fields.oneOf("old or -", kOld) != 0;
  return shape;
}

void write(std::string& text, const ProductPlace& place) {
  text += place.device + "\t" + std::to_string(place.computeMajor) + "\t" + std::to_string(place.computeMinor) + "\t" +
          std::to_string(place.cublasLt);
}

void write(std::string& text, const ProductShape& shape) {
  for (const std::string_view word : {kPrecisions[static_cast<size_t>(shape.precision)], kResults[shape.bf16Result],
                                      kTransposed[shape.leftTransposed], kTransposed[shape.rightTransposed]}) {
    text.append("\t").append(word);
  }
  for (const int64_t size : {shape.m, shape.n, shape.k}) text += "\t" + std::to_string(size);
  for (const std::string_view word : {kBias[shape.bias], kGelu[shape.gelu], kOld[shape.old]}) {
    text.append("\t").append(word);
  }
}

void write(std::string& text, const ProductAlgorithm& algorithm) {
  text += "\t";
  for (const uint64_t word : algorithm) {
    for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[word >> shift & 15];
  }
}

}  // namespace

const ProductAlgorithm* ProductChoices::find(const ProductPlace& place, const ProductShape& shape) const {
  const auto found = choices_.find({place, shape});
  return found == choices_.end() ? nullptr : &found->second;
}

void ProductChoices::keep(const ProductPlace& place, const ProductShape& shape, const ProductAlgorithm& algorithm) {
  choices_[{place, shape}] = algorithm;
}

void ProductChoices::drop(const ProductPlace& place, const ProductShape& shape) {
  choices_.erase({place, shape});
}

std::string ProductChoices::text() const {
  std::string text(kFirstLine);
  text += "\n";
  for (const auto& [product, algorithm] : choices_) {
    write(text, product.first);
    write(text, product.second);
    write(text, algorithm);
    text += "\n";
  }
  return text;
}

void ProductChoices::add(const std::string& text) {
  decltype(choices_) read;
  size_t number = 0;
  for (std::string_view rest = text; number == 0 || !rest.empty();) {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    ++number;
    if (end == std::string_view::npos) refuse(number, "a line that ends", shown(line));
    rest.remove_prefix(end + 1);
    if (number == 1) {
      if (line != kFirstLine) refuse(number, shown(kFirstLine), shown(line));
      continue;
    }
    Fields fields(line, number);
    ProductPlace place = placeFrom(fields);
    const ProductShape shape = shapeFrom(fields);
    const ProductAlgorithm algorithm = fields.algorithm();
    fields.end();
    if (!read.insert({{std::move(place), shape}, algorithm}).second) {
      refuse(number, "one line for each product", "a second one");
    }
  }
  read.merge(choices_);  // of those in both, what was read stays
  choices_.swap(read);
}

}  // namespace dinomaly::cuda
