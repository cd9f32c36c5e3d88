// mma.h on the host: a warp's lanes meet, each bringing its fragments or its address.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>

#include "backend/cuda/device.h"
#include "backend/cuda/emulated/grid.h"

namespace dinomaly::emulated {

struct MmaLane {
  float c[4];
  uint32_t a[4], b[2];
};

/// Which element of its matrix is the i-th that a lane holds, as PTX's manual gives it for m16n8k16.
struct Element {
  unsigned row, column;
};
inline Element elementOfA(unsigned lane, unsigned i) {
  return {lane / 4 + (i / 2 % 2) * 8, lane % 4 * 2 + i % 2 + i / 4 * 8};
}
inline Element elementOfB(unsigned lane, unsigned i) {
  return {lane % 4 * 2 + i % 2 + i / 2 * 8, lane / 4};
}
inline Element elementOfC(unsigned lane, unsigned i) {
  return {lane / 4 + i / 2 * 8, lane % 4 * 2 + i % 2};
}

inline float halfOf(uint32_t pair, unsigned i) {
  return cuda::toFloat(cuda::bf16{static_cast<uint16_t>(pair >> i % 2 * 16)});
}

/// Each lane's c becomes its part of C + A B. A device adds the products in an order of its own.
template <unsigned kDepth>
void addProducts(MmaLane (&lanes)[kWarpSize], const float (&a)[16][kDepth], const float (&b)[kDepth][8]) {
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    for (unsigned i = 0; i < 4; ++i) {
      const Element at = elementOfC(lane, i);
      for (unsigned k = 0; k < kDepth; ++k) lanes[lane].c[i] += a[at.row][k] * b[k][at.column];
    }
  }
}

inline void multiplyLanes(unsigned char* bytes) {
  float a[16][16], b[16][8];
  MmaLane lanes[kWarpSize];
  std::memcpy(lanes, bytes, sizeof lanes);
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    for (unsigned i = 0; i < 8; ++i) {
      const Element at = elementOfA(lane, i);
      a[at.row][at.column] = halfOf(lanes[lane].a[i / 2], i);
    }
    for (unsigned i = 0; i < 4; ++i) {
      const Element at = elementOfB(lane, i);
      b[at.row][at.column] = halfOf(lanes[lane].b[i / 2], i);
    }
  }
  addProducts(lanes, a, b);
  std::memcpy(bytes, lanes, sizeof lanes);
}

/// The same of m16n8k8 of TF32.
inline Element elementOfTf32A(unsigned lane, unsigned i) {
  return {lane / 4 + i % 2 * 8, lane % 4 + i / 2 * 4};
}
inline Element elementOfTf32B(unsigned lane, unsigned i) {
  return {lane % 4 + i * 4, lane / 4};
}

/// Tensor cores leave out the bits that a TF32 does not have.
inline float tf32Of(uint32_t bits) {
  return cuda::__uint_as_float(bits & 0xFFFFE000u);
}

inline void multiplyTf32Lanes(unsigned char* bytes) {
  float a[16][8], b[8][8];
  MmaLane lanes[kWarpSize];
  std::memcpy(lanes, bytes, sizeof lanes);
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    for (unsigned i = 0; i < 4; ++i) {
      const Element at = elementOfTf32A(lane, i);
      a[at.row][at.column] = tf32Of(lanes[lane].a[i]);
    }
    for (unsigned i = 0; i < 2; ++i) {
      const Element at = elementOfTf32B(lane, i);
      b[at.row][at.column] = tf32Of(lanes[lane].b[i]);
    }
  }
  addProducts(lanes, a, b);
  std::memcpy(bytes, lanes, sizeof lanes);
}

struct MatrixLane {
  const unsigned char* row;
  uint32_t loaded[4];
};

template <bool kTransposed>
void loadLanes(unsigned char* bytes) {
  MatrixLane lanes[kWarpSize];
  std::memcpy(lanes, bytes, sizeof lanes);
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    for (unsigned matrix = 0; matrix < 4; ++matrix) {
      uint16_t pair[2];
      for (unsigned i = 0; i < 2; ++i) {
        const unsigned along = lane % 4 * 2 + i, across = lane / 4;
        const unsigned row = kTransposed ? along : across, column = kTransposed ? across : along;
        std::memcpy(&pair[i], lanes[matrix * 8 + row].row + column * sizeof pair[i], sizeof pair[i]);
      }
      lanes[lane].loaded[matrix] = pair[0] | static_cast<uint32_t>(pair[1]) << 16;
    }
  }
  std::memcpy(bytes, lanes, sizeof lanes);
}

template <bool kTransposed>
void load(uint32_t (&loaded)[4], const void* row) {
  if (reinterpret_cast<uintptr_t>(row) % 16) throw std::runtime_error("a matrix's row that is not aligned to 16 bytes");
  MatrixLane lane = {static_cast<const unsigned char*>(row), {}}, lanes[kWarpSize];
  meetWarp(cuda::kAllLanes, &lane, sizeof lane, loadLanes<kTransposed>, reinterpret_cast<unsigned char*>(lanes));
  std::memcpy(loaded, lanes[threadLane()].loaded, sizeof loaded);
}

inline void multiply(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], void (*combine)(unsigned char*)) {
  MmaLane lane, lanes[kWarpSize];
  std::memcpy(lane.c, c, sizeof c);
  std::memcpy(lane.a, a, sizeof a);
  std::memcpy(lane.b, b, sizeof b);
  meetWarp(cuda::kAllLanes, &lane, sizeof lane, combine, reinterpret_cast<unsigned char*>(lanes));
  std::memcpy(c, lanes[threadLane()].c, sizeof c);
}

}  // namespace dinomaly::emulated

namespace dinomaly::cuda {

inline void mma16816(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  emulated::multiply(c, a, b, emulated::multiplyLanes);
}
inline void mma1688(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  emulated::multiply(c, a, b, emulated::multiplyTf32Lanes);
}

inline void loadMatrices(uint32_t (&loaded)[4], const bf16* row) {
  emulated::load<false>(loaded, row);
}
inline void loadMatricesTransposed(uint32_t (&loaded)[4], const bf16* row) {
  emulated::load<true>(loaded, row);
}

}  // namespace dinomaly::cuda
