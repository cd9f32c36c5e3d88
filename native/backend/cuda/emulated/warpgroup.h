// warpgroup.h on the host: each warp's part is made of mma.h's tiles. Products are computed when they are waited for:
// what they add to is NaN meanwhile, so that reading it too early shows, and what they read must then be what it was
// when they began. What does not show: a showToProducts() that is missing, and warps that do not all take part.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>

#include "backend/cuda/mma.h"

namespace dinomaly::cuda {

inline void showToProducts() {}

class SwizzledRows {
 public:
  explicit SwizzledRows(const bf16* tile) : first_(tile) {
    if (reinterpret_cast<uintptr_t>(tile) % 1024) {
      throw std::runtime_error("a tile for a warpgroup that is not aligned to 1024 bytes");
    }
  }
  SwizzledRows from(int row) const { return SwizzledRows(first_ + row * kRow); }
  /// As its address permutes it.
  bf16 at(int row, int channel) const { return first_[row * kRow + (channel / 8 ^ row % 8) * 8 + channel % 8]; }

 private:
  static constexpr int kRow = 64;
  const bf16* first_;
};

class WarpgroupProducts {
 public:
  template <int kParts>
  static void settle(uint32_t (&)[kParts][4]) {}

  void begin() { begun_ = true; }

  template <bool kAdds>
  void startAcross(float (&c)[6][4], const uint32_t (&a)[4], const SwizzledRows& rows, int depth) {
    start(c, a, {rows, depth, kAdds, false});
  }
  void startAlong(float (&c)[8][4], const uint32_t (&a)[4], const SwizzledRows& rows) {
    start(c, a, {rows, 0, true, true});
  }

  void endGroup() { ++group_; }

  template <int kLater, int kColumns>
  void finish(float (&c)[kColumns][4]) {
    int left = 0;
    for (int i = 0; i < count_; ++i) {
      if (products_[i].group < group_ - kLater) {
        compute(products_[i]);
      } else {
        products_[left++] = products_[i];
      }
    }
    count_ = left;
    begun_ = false;
    if (sumsOf(c).pending)
      throw std::logic_error("a warpgroup's sums that are read before their products are waited for");
  }

 private:
  static constexpr int kMost = 32, kMostSums = 3;
  struct Factor {
    SwizzledRows rows;
    int depth;
    bool adds, along;
  };
  struct Sums {
    float (*place)[4];
    int columns, pending;
    float values[8][4];

    size_t bytes() const { return static_cast<size_t>(columns) * sizeof *values; }
  };
  struct Product {
    Sums* sums = nullptr;
    const uint32_t* left = nullptr;  // where a is from
    uint32_t a[4] = {};
    Factor b = {SwizzledRows(nullptr), 0, false, false};
    uint64_t print = 0;  // of what it reads of b
    int group = 0;
  };

  Sums& sumsOf(float (*c)[4]) {
    for (Sums& sums : sums_) {
      if (sums.place == c) return sums;
    }
    for (Sums& sums : sums_) {
      if (!sums.place) {
        sums.place = c;
        return sums;
      }
    }
    throw std::logic_error("too many sums of a warpgroup for the emulation");
  }

  template <int kColumns>
  void start(float (&c)[kColumns][4], const uint32_t (&a)[4], const Factor& b) {
    if (!begun_) throw std::logic_error("a warpgroup's products without begin()");
    if (count_ == kMost) throw std::logic_error("too many products of a warpgroup at once for the emulation");
    Sums& sums = sumsOf(c);
    if (sums.pending++ == 0) {
      sums.columns = kColumns;
      std::memcpy(sums.values, c, sums.bytes());
      std::memset(c, 0xFF, sums.bytes());
    }
    Product& product = products_[count_++];
    product.sums = &sums;
    product.left = a;
    std::memcpy(product.a, a, sizeof a);
    product.b = b;
    product.print = printOf(b, kColumns);
    product.group = group_;
  }

  void compute(const Product& product) {
    Sums& sums = *product.sums;
    if (std::memcmp(product.a, product.left, sizeof product.a) != 0 ||
        printOf(product.b, sums.columns) != product.print) {
      throw std::logic_error("a warpgroup's products of what was not there when they began, or changed meanwhile");
    }
    const unsigned lane = emulated::threadLane();
    for (int column = 0; column < sums.columns; ++column) {
      uint32_t b[2];
      for (unsigned i = 0; i < 4; ++i) {
        const emulated::Element at = emulated::elementOfB(lane, i);
        const bf16 value = elementOf(product.b, static_cast<int>(at.row), column * 8 + static_cast<int>(at.column));
        b[i / 2] = i % 2 ? b[i / 2] | static_cast<uint32_t>(value.bits) << 16 : value.bits;
      }
      if (!product.b.adds) std::memset(sums.values[column], 0, sizeof sums.values[column]);
      mma16816(sums.values[column], product.a, b);
    }
    if (--sums.pending == 0) std::memcpy(sums.place, sums.values, sums.bytes());
  }

  static bf16 elementOf(const Factor& b, int depth, int column) {
    return b.along ? b.rows.at(depth, column) : b.rows.at(column, b.depth * 16 + depth);
  }

  static uint64_t printOf(const Factor& b, int columns) {
    if (emulated::threadLane() != 0) return 0;  // one of a warp is enough
    uint64_t print = 14695981039346656037u;     // FNV-1a's
    for (int depth = 0; depth < 16; ++depth) {
      for (int column = 0; column < columns * 8; ++column) {
        print = (print ^ elementOf(b, depth, column).bits) * 1099511628211u;
      }
    }
    return print;
  }

  Product products_[kMost];
  Sums sums_[kMostSums] = {};
  int count_ = 0, group_ = 0;
  bool begun_ = false;
};

}  // namespace dinomaly::cuda
