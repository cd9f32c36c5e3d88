// GELU at one value, alone and with its slope. T is what the results are rounded to: float's are exact to float, by
// erff; bfloat16's take half of the instructions, or computing would take as long as memory does.
#pragma once

#include "backend/cuda/device.h"

namespace dinomaly::cuda {

/// From here on a normal distribution's tail is 0 in bfloat16; polynomials are held there.
constexpr float kGeluEnd = 16;

/// x * Phi(x), Phi being the normal distribution.
template <typename T>
struct Gelu {
  __device__ __forceinline__ float operator()(float x) const {
    return 0.5f * x * (1.0f + erff(x * 0.707106781f));  // 1 / sqrt(2)
  }
};

/// Phi(-t) = 2^p(t), of t up to kGeluEnd: p is within 5e-6 up to t = 3.5 and within 2e-3 up to 8, where nothing is left
/// of it.
__device__ __forceinline__ float normalTail(float t) {
  float p = fmaf(-1.72655925e-06f, t, 5.96788432e-05f);
  p = fmaf(p, t, -0.000917579324f);
  p = fmaf(p, t, 0.00846605358f);
  p = fmaf(p, t, -0.0538931516f);
  p = fmaf(p, t, -0.458513349f);
  p = fmaf(p, t, -1.15123822f);
  p = fmaf(p, t, -0.999995814f);
  return exp2Approx(p);
}

/// max(x, 0) - |x| Phi(-|x|). A result is off by as much of itself as normalTail() is; by rounding alone it is by 4e-3.
template <>
struct Gelu<bf16> {
  __device__ __forceinline__ float operator()(float x) const {
    const float t = fminf(fabsf(x), kGeluEnd);
    return fmaf(-t, normalTail(t), x < 0 ? 0.0f : x);  // not fmaxf(), which drops NaN
  }
};

struct ValueAndSlope {
  float value, slope;
};

/// Gelu's, and Phi(x) + x * phi(x), phi being the density: both of one error function.
template <typename T>
struct GeluAndSlope {
  __device__ __forceinline__ ValueAndSlope operator()(float x) const {
    const float error = erff(x * 0.707106781f);
    const float density = 0.398942280f * expf(-0.5f * x * x);  // 1 / sqrt(2 pi)
    return {0.5f * x * (1.0f + error), 0.5f + 0.5f * error + x * density};
  }
};

/// Both of one tail: the slope at -t is G = Phi(-t) - t phi(t), and 1 - G at t; G itself is off by 3e-6 of 1/2 at most.
template <>
struct GeluAndSlope<bf16> {
  __device__ __forceinline__ ValueAndSlope operator()(float x) const {
    const float t = fminf(fabsf(x), kGeluEnd), tail = normalTail(t);
    // log2(e) / 2 and log2(1 / sqrt(2 pi)); of x, so that NaN stays.
    const float density = exp2Approx(fmaf(x * x, -0.72134752f, -1.32574807f));
    const float below = fmaf(-t, density, tail);
    return {fmaf(-t, tail, x < 0 ? 0.0f : x), x < 0 ? below : 1.0f - below};
  }
};

}  // namespace dinomaly::cuda
