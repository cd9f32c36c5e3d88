// GELU and its slope at one value. T is what the results are rounded to: float's are exact to float, by erff;
// bfloat16's take half of the instructions, or computing would take as long as memory does.
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

/// max(x, 0) - |x| Phi(-|x|), where Phi(-t) = 2^p(t): p is within 5e-6 up to t = 3.5 and within 2e-3 up to 8, where
/// nothing is left of it. A result is off by as much of itself; by rounding alone it is by 4e-3.
template <>
struct Gelu<bf16> {
  __device__ __forceinline__ float operator()(float x) const {
    const float t = fminf(fabsf(x), kGeluEnd);
    float p = fmaf(-1.72655925e-06f, t, 5.96788432e-05f);
    p = fmaf(p, t, -0.000917579324f);
    p = fmaf(p, t, 0.00846605358f);
    p = fmaf(p, t, -0.0538931516f);
    p = fmaf(p, t, -0.458513349f);
    p = fmaf(p, t, -1.15123822f);
    p = fmaf(p, t, -0.999995814f);
    return fmaf(-t, exp2Approx(p), x < 0 ? 0.0f : x);  // not fmaxf(), which drops NaN
  }
};

/// dy * (Phi(x) + x * phi(x)), phi being the density.
template <typename T>
struct GeluGradient {
  __device__ __forceinline__ float operator()(float dy, float x) const {
    const float distribution = 0.5f + 0.5f * erff(x * 0.707106781f);
    const float density = 0.398942280f * expf(-0.5f * x * x);  // 1 / sqrt(2 pi)
    return dy * (distribution + x * density);
  }
};

/// The slope at -t is G = Phi(-t) - t phi(t), and 1 - G at t. G = exp(-t^2 / 2) r(t), within 5e-6 for all t.
template <>
struct GeluGradient<bf16> {
  __device__ __forceinline__ float operator()(float dy, float x) const {
    const float t = fminf(fabsf(x), kGeluEnd);
    float r = fmaf(-0.000168557816f, t, 0.0023190735f);
    r = fmaf(r, t, -0.0139236139f);
    r = fmaf(r, t, 0.0499400478f);
    r = fmaf(r, t, -0.125826951f);
    r = fmaf(r, t, 0.247959642f);
    r = fmaf(r, t, -0.797662376f);
    r = fmaf(r, t, 0.499996039f);
    const float fading = exp2Approx(x * x * -0.72134752f);  // of x, so that NaN stays; log2(e) / 2
    const float half = fmaf(-fading, r, 0.5f);              // 1/2 - G, with x's sign:
    const unsigned sign = __float_as_uint(x) & 0x80000000u;
    return dy * (0.5f + __uint_as_float(__float_as_uint(half) ^ sign));
  }
};

}  // namespace dinomaly::cuda
