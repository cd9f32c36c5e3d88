// What linear layers need beside their products, on the emulated device, in f32 and bf16, against plain loops.
#include "backend/cuda/column_sums.h"
#include "backend/cuda/linear.h"
#include "cuda_support.h"

using namespace dinomaly;
using namespace dinomaly::cuda;

namespace {

/// What a layer has after its product.
struct Parts {
  bool bias, gelu, scale, residual;
};

template <typename T>
class FinishedLayer {
 public:
  FinishedLayer(int64_t rows, int64_t out, const Parts& parts)
      : rows_(rows),
        out_(out),
        parts_(parts),
        product_(as<T>(noise(rows * out, 1))),
        residual_(as<T>(noise(rows * out, 2))),
        bias_(noise(out, 3)),
        scale_(noise(out, 4)) {}

  void check(float tolerance) {
    const std::vector<T> apart = inEveryOrder<T>([&] {
      std::vector<T> y(product_.size());
      run(y.data(), product_.data(), residual_.data());
      return y;
    });
    CHECK(difference(floats(apart), expected()) <= tolerance);
    const std::vector<T> overProduct = inEveryOrder<T>([&] {
      std::vector<T> y = product_;
      run(y.data(), y.data(), residual_.data());
      return y;
    });
    CHECK(sameBits(overProduct, apart));
    const std::vector<T> overResidual = inEveryOrder<T>([&] {
      std::vector<T> y = residual_;
      run(y.data(), product_.data(), y.data());
      return y;
    });
    CHECK(sameBits(overResidual, apart));
    CHECK(sameBits(besideBoundary(product_, [&](T* y) { run(y, y, residual_.data()); }), apart));
    CHECK(sameBits(besideBoundary(residual_, [&](T* y) { run(y, product_.data(), y); }), apart));
    std::vector<T> beside(product_.size());
    besideBoundary(bias_, [&](float* bias) {
      finishLinear(Stream(), beside.data(), product_.data(), rows_, out_, parts_.bias ? bias : nullptr, parts_.gelu,
                   parts_.scale ? scale_.data() : nullptr, parts_.residual ? residual_.data() : nullptr);
    });
    CHECK(sameBits(beside, apart));
  }

 private:
  void run(T* y, const T* product, const T* residual) const {
    finishLinear(Stream(), y, product, rows_, out_, parts_.bias ? bias_.data() : nullptr, parts_.gelu,
                 parts_.scale ? scale_.data() : nullptr, parts_.residual ? residual : nullptr);
  }

  std::vector<float> expected() const {
    std::vector<float> y;
    for (size_t i = 0; i < product_.size(); ++i) {
      const size_t column = i % static_cast<size_t>(out_);
      double v = toFloat(product_[i]);
      if (parts_.bias) v += bias_[column];
      if (parts_.gelu) v *= 0.5 * (1 + std::erf(v / std::sqrt(2.0)));
      if (parts_.scale) v *= scale_[column];
      if (parts_.residual) v += toFloat(residual_[i]);
      y.push_back(static_cast<float>(v));
    }
    return y;
  }

  int64_t rows_, out_;
  Parts parts_;
  std::vector<T> product_, residual_;
  std::vector<float> bias_, scale_;
};

}  // namespace

TEST_CASE_TEMPLATE("CUDA finishes a linear layer as plain loops do", T, float, bf16) {
  const float tolerance = sizeof(T) == 2 ? 4e-3f : 1e-6f;  // half a step of bfloat16
  const Parts all{true, true, true, true};
  for (const int64_t rows : {1, 7, 16, 37}) {
    for (const int64_t out : {1, 33, 40, 384, 1000}) {
      CAPTURE(rows);
      CAPTURE(out);
      FinishedLayer<T>(rows, out, all).check(tolerance);
    }
  }
  for (const Parts& parts : {Parts{}, Parts{true, false, false, false}, Parts{false, true, false, false},
                             Parts{false, false, true, false}, Parts{false, false, false, true}}) {
    FinishedLayer<T>(5, 40, parts).check(tolerance);
    FinishedLayer<T>(5, 33, parts).check(tolerance);
  }
}

TEST_CASE_TEMPLATE("CUDA's sums of columns agree with plain loops", T, float, bf16) {
  for (const int64_t rows : {1, 63, 64, 65, 202, 1100}) {
    for (const int64_t cols : {1, 33, 128, 130}) {
      CAPTURE(rows);
      CAPTURE(cols);
      const std::vector<T> x = as<T>(noise(rows * cols, 1));
      const std::vector<float> sums = inEveryOrder<float>([&] {
        std::vector<float> result(static_cast<size_t>(cols)),
            partials(static_cast<size_t>(columnSumPartials(rows, cols)), NAN);
        columnSums(Stream(), result.data(), partials.data(), x.data(), rows, cols);
        return result;
      });
      std::vector<double> expected(sums.size());
      for (size_t i = 0; i < x.size(); ++i) expected[i % expected.size()] += toFloat(x[i]);
      CHECK(difference(sums, {expected.begin(), expected.end()}) <= 1e-5f);
    }
  }
}

TEST_CASE("CUDA's padded rows hold the values and zeros behind") {
  for (const int64_t size : {1, 2, 7, 130, 131, 588, 590, 600}) {
    for (const int64_t rows : {1, 8, 19}) {
      CAPTURE(rows);
      CAPTURE(size);
      const auto stride = static_cast<size_t>(paddedRow(size));
      CHECK(stride % 8 == 0);
      const std::vector<bf16> x = as<bf16>(noise(rows * size, 1));
      std::vector<bf16> expected(static_cast<size_t>(rows) * stride, bf16{});
      for (size_t i = 0; i < x.size(); ++i) {
        expected[i / static_cast<size_t>(size) * stride + i % static_cast<size_t>(size)] = x[i];
      }
      const std::vector<bf16> found = inEveryOrder<bf16>([&] {
        std::vector<bf16> y(expected.size(), bf16{0xFFFF});
        padRows(Stream(), y.data(), x.data(), rows, size);
        return y;
      });
      CHECK(sameBits(found, expected));
      std::vector<bf16> again(expected.size(), bf16{0xFFFF});
      besideBoundary(x, [&](bf16* beside) { padRows(Stream(), again.data(), beside, rows, size); });
      CHECK(sameBits(again, expected));
    }
  }
}
