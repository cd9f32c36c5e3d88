// One table of cases, operation x shape: each operation of the CPU against the plain loops, with guard values round
// every tensor; each backward pass against finite differences of its forward pass.
#include "backend/backend.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <string>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/emulated/grid.h"
#include "noise.h"
#include "plain_backend.h"

using namespace dinomaly;

namespace {

/// A tensor of a backend between guard values that no operation may touch.
class Tensor {
 public:
  Tensor(Backend& backend, const std::vector<float>& values)
      : backend_(backend), size_(static_cast<int64_t>(values.size())), buffer_(backend.allocate(size_ + 2 * kGuard)) {
    std::vector<float> padded(static_cast<size_t>(size_ + 2 * kGuard), kMark);
    std::copy(values.begin(), values.end(), padded.begin() + kGuard);
    backend.upload(buffer_.get(), padded.data(), size_ + 2 * kGuard);
  }
  float* data() const { return buffer_.get() + kGuard; }
  std::vector<float> values() const {
    std::vector<float> padded(static_cast<size_t>(size_ + 2 * kGuard));
    backend_.download(padded.data(), buffer_.get(), size_ + 2 * kGuard);
    for (int64_t i = 0; i < kGuard; ++i) {
      REQUIRE(padded[static_cast<size_t>(i)] == kMark);
      REQUIRE(padded[static_cast<size_t>(kGuard + size_ + i)] == kMark);
    }
    return {padded.begin() + kGuard, padded.end() - kGuard};
  }

 private:
  static constexpr int64_t kGuard = 16;
  static constexpr float kMark = 12345.5f;
  Backend& backend_;
  int64_t size_;
  Buffer buffer_;
};

/// A linear layer's weight (out,in) in the order of a backend, between guard values too.
class Weight {
 public:
  Weight(Backend& backend, const float* rows, int64_t in, int64_t out)
      : backend_(backend), in_(in), out_(out), tensor_(backend, std::vector<float>(static_cast<size_t>(in * out))) {
    backend.uploadWeight(tensor_.data(), rows, in, out);
  }
  float* data() const { return tensor_.data(); }
  void giveBack(float* rows) const {
    backend_.downloadWeight(rows, tensor_.data(), in_, out_);
    tensor_.values();  // looks at the guards
  }

 private:
  Backend& backend_;
  int64_t in_, out_;
  Tensor tensor_;
};

using Values = std::vector<std::vector<float>>;
using Operation = std::function<void(Backend&, std::vector<float*>)>;

/// Runs an operation on copies of the tensors and gives back what they hold then.
Values run(Backend& backend, const Values& tensors, const Operation& operation) {
  std::vector<Tensor> owned;
  std::vector<float*> pointers;
  for (const auto& t : tensors) pointers.push_back(owned.emplace_back(backend, t).data());
  operation(backend, pointers);
  Values results;
  for (const Tensor& t : owned) results.push_back(t.values());
  return results;
}

/// What a backend makes of the tensors, held against plain loops.
Values agree(const std::string& what, Backend& backend, const Values& tensors, double tolerance,
             const Operation& operation) {
  CAPTURE(what);
  const auto plain = makePlainBackend();
  const Values found = run(backend, tensors, operation), expected = run(*plain, tensors, operation);
  for (size_t t = 0; t < found.size(); ++t) {
    CAPTURE(t);
    float largest = 1e-30f, difference = 0;
    for (size_t i = 0; i < found[t].size(); ++i) {
      largest = std::max(largest, std::abs(expected[t][i]));
      difference = std::max(difference, std::abs(found[t][i] - expected[t][i]));
      REQUIRE(std::isfinite(found[t][i]));
    }
    CHECK(difference <= tolerance * largest);
  }
  return found;
}

/// Neither the number of threads nor the order in which they run changes a bit.
void checkBits(const Values& found, const Values& again) {
  for (size_t t = 0; t < found.size(); ++t) {
    // memcmp takes no null pointer, which an empty tensor may have.
    CHECK((found[t].empty() || std::memcmp(found[t].data(), again[t].data(), found[t].size() * sizeof(float)) == 0));
  }
}

/// On the emulated device.
void agreeOnCuda(const std::string& what, cuda::Precision precision, const Values& tensors, double tolerance,
                 const Operation& operation) {
  const auto device = makeCudaBackend(precision);
  const Values found = agree(what + " on CUDA", *device, tensors, tolerance, operation);
  for (const emulated::Order order : {emulated::Order::backward, emulated::Order::shuffled}) {
    emulated::setOrder(order);
    checkBits(found, run(*device, tensors, operation));
    emulated::setOrder(emulated::Order::forward);
  }
}

void agreeOnCpu(const std::string& what, const Values& tensors, double tolerance, const Operation& operation) {
  const Values found = agree(what, *makeCpuBackend(2), tensors, tolerance, operation);
  for (int threads : {1, 3}) checkBits(found, run(*makeCpuBackend(threads), tensors, operation));
}

void agree(const std::string& what, const Values& tensors, double tolerance, const Operation& operation) {
  agreeOnCpu(what, tensors, tolerance, operation);
  agreeOnCuda(what, cuda::Precision::f32, tensors, tolerance, operation);
}

struct TokenShape {
  int64_t images, tokens, heads, headDim;
  int64_t dim() const { return heads * headDim; }
  int64_t rows() const { return images * tokens; }
  std::string text() const {
    return std::to_string(images) + "x" + std::to_string(tokens) + "x" + std::to_string(heads) + "x" +
           std::to_string(headDim);
  }
};

// 1 token, few, more than a tile of rows, with odd batches; head sizes other than 64 too.
const TokenShape kShapes[] = {{1, 1, 2, 64}, {3, 5, 2, 64}, {1, 202, 2, 64}, {2, 37, 3, 20}, {1, 405, 1, 64}};

/// <gradient, direction> of operation's first output, weighted, against a central difference along random directions.
/// forward: tensors -> output; gradient: what backward says for each tensor of `wanted`.
void differentiate(const std::string& what, const Values& inputs, const std::vector<float>& weights,
                   const std::function<std::vector<float>(Backend&, const Values&)>& forward,
                   const std::function<Values(Backend&, const Values&)>& backward) {
  CAPTURE(what);
  const auto cpu = makeCpuBackend(2), plain = makePlainBackend();
  const Values gradients = backward(*cpu, inputs);
  for (size_t t = 0; t < gradients.size(); ++t) {
    CAPTURE(t);
    const std::vector<float> direction = noise(static_cast<int64_t>(inputs[t].size()), 77 + static_cast<uint32_t>(t));
    constexpr float kStep = 1.0f / 256;
    double predicted = 0, scale = 0, measured = 0;
    for (size_t i = 0; i < direction.size(); ++i) {
      predicted += static_cast<double>(gradients[t][i]) * direction[i];
      scale += std::abs(static_cast<double>(gradients[t][i]) * direction[i]);
    }
    for (const float sign : {1.0f, -1.0f}) {
      Values moved = inputs;
      for (size_t i = 0; i < direction.size(); ++i) moved[t][i] += sign * kStep * direction[i];
      const std::vector<float> y = forward(*plain, moved);
      for (size_t i = 0; i < y.size(); ++i) measured += sign * static_cast<double>(weights[i]) * y[i] / (2 * kStep);
    }
    CHECK(std::abs(measured - predicted) <= 2e-3 * scale + 1e-4);
  }
}

}  // namespace

TEST_CASE("linear layers agree with plain loops") {
  constexpr int64_t kMostEmulated = 20'000'000;  // multiplications, which take the emulated device a while
  struct {
    int64_t rows, in, out;
  } cases[] = {{1, 64, 64},   {5, 128, 384},  {202, 96, 200}, {405, 130, 300},
               {150, 588, 1}, {789, 400, 96}, {77, 1000, 40}};
  for (const auto& c : cases) {
    const std::string shape = std::to_string(c.rows) + "x" + std::to_string(c.in) + "x" + std::to_string(c.out);
    const Values t = {noise(c.rows * c.out, 1), noise(c.rows * c.in, 2), noise(c.out * c.in, 3),
                      noise(c.out, 4),          noise(c.out, 5),         noise(c.rows * c.out, 6)};
    const auto withWeight = [&](const std::string& what,
                                const std::function<void(Backend&, std::vector<float*>, float*)>& operation) {
      const Operation whole = [&](Backend& b, std::vector<float*> p) {
        const Weight w(b, p[2], c.in, c.out);
        operation(b, p, w.data());
        w.giveBack(p[2]);
      };
      agreeOnCpu(what + " " + shape, t, 1e-5, whole);
      if (c.rows * c.in * c.out > kMostEmulated) return;
      agreeOnCuda(what + " " + shape, cuda::Precision::f32, t, 1e-5, whole);
      agreeOnCuda(what + " in TF32 " + shape, cuda::Precision::tf32, t, 5e-3, whole);
      agreeOnCuda(what + " in bf16 " + shape, cuda::Precision::bf16, t, 3e-2, whole);
    };
    withWeight("a weight there and back", [](Backend&, const std::vector<float*>&, float*) {});
    withWeight("linear",
               [c](Backend& b, std::vector<float*> p, float* w) { b.linear(p[0], p[1], w, c.rows, c.in, c.out, {}); });
    withWeight("linear, bias, gelu", [c](Backend& b, std::vector<float*> p, float* w) {
      b.linear(p[0], p[1], w, c.rows, c.in, c.out, {p[3], Activation::gelu, nullptr, nullptr});
    });
    withWeight("linear, bias, scale, residual", [c](Backend& b, std::vector<float*> p, float* w) {
      b.linear(p[0], p[1], w, c.rows, c.in, c.out, {p[3], Activation::none, p[4], p[5]});
    });
    withWeight("linear onto its residual", [c](Backend& b, std::vector<float*> p, float* w) {
      b.linear(p[5], p[1], w, c.rows, c.in, c.out, {p[3], Activation::none, nullptr, p[5]});
    });
    withWeight("linear's input gradient", [c](Backend& b, std::vector<float*> p, float* w) {
      b.linearInputGradient(p[1], p[0], w, c.rows, c.in, c.out);
    });
    withWeight("linear's weight gradient", [c](Backend& b, std::vector<float*> p, float* w) {
      b.linearWeightGradient(w, p[3], p[0], p[1], c.rows, c.in, c.out);
    });
  }
}

TEST_CASE("elementwise operations agree with plain loops") {
  std::vector<float> wide = noise(20011, 1);
  for (float& v : wide) v *= 12;  // into GELU's tails
  agree("gelu", {noise(20011, 2), wide}, 1e-6, [](Backend& b, std::vector<float*> p) { b.gelu(p[0], p[1], 20011); });
  agree("gelu's gradient", {noise(20011, 2), noise(20011, 3), wide}, 1e-6,
        [](Backend& b, std::vector<float*> p) { b.geluGradient(p[0], p[1], p[2], 20011); });
  agree("addScaled", {noise(20011, 2), wide}, 1e-6,
        [](Backend& b, std::vector<float*> p) { b.addScaled(p[0], p[1], 0.3f, 20011); });
  for (float rate : {0.0f, 0.2f, 0.4f}) {
    agree("dropout", {noise(37 * 130, 2), noise(37 * 130, 3)}, 1e-6, [rate](Backend& b, std::vector<float*> p) {
      b.dropout(p[0], p[1], 37, 130, {rate, 0x123456789abcull, 7, 1});
    });
  }
}

TEST_CASE("dropout keeps the share that it should, and other iterations, places and seeds draw other numbers") {
  const auto cpu = makeCpuBackend(2);
  const std::vector<float> ones(256 * 1024, 1.0f);
  const auto draw = [&](Dropout d) {
    return run(*cpu, {ones}, [d](Backend& b, std::vector<float*> p) { b.dropout(p[0], p[0], 256, 1024, d); })[0];
  };
  const std::vector<float> first = draw({0.2f, 1, 0, 0});
  const auto kept = std::count(first.begin(), first.end(), 1.25f), lost = std::count(first.begin(), first.end(), 0.0f);
  CHECK(kept + lost == 256 * 1024);
  CHECK(static_cast<double>(lost) / (256 * 1024) == doctest::Approx(0.2).epsilon(0.02));  // 5 standard deviations
  CHECK(draw({0.2f, 1, 0, 0}) == first);
  for (const Dropout& other : {Dropout{0.2f, 2, 0, 0}, Dropout{0.2f, 1, 1, 0}, Dropout{0.2f, 1, 0, 1}}) {
    const std::vector<float> second = draw(other);
    int64_t both = 0;
    for (size_t i = 0; i < first.size(); ++i) both += first[i] == 0 && second[i] == 0;
    CHECK(static_cast<double>(both) / (256 * 1024) == doctest::Approx(0.04).epsilon(0.05));  // independent
  }
}

TEST_CASE("layer norm agrees with plain loops") {
  struct {
    int64_t rows, dim;
  } cases[] = {{1, 64}, {5, 384}, {202, 130}, {37, 1024}};
  for (const auto& c : cases) {
    const int64_t n = c.rows * c.dim;
    const std::string shape = std::to_string(c.rows) + "x" + std::to_string(c.dim);
    agree("layerNorm " + shape,
          {noise(n, 1), noise(c.rows, 2), noise(c.rows, 3), noise(n, 4), noise(c.dim, 5), noise(c.dim, 6)}, 1e-5,
          [c](Backend& b, std::vector<float*> p) {
            b.layerNorm(p[0], p[1], p[2], p[3], p[4], p[5], c.rows, c.dim, 1e-6f);
          });
    agree("layerNorm's gradient " + shape,
          {noise(n, 1), noise(c.dim, 2), noise(c.dim, 3), noise(n, 4), noise(n, 5), noise(c.rows, 6), noise(c.rows, 7),
           noise(c.dim, 8)},
          2e-5, [c](Backend& b, std::vector<float*> p) {
            b.layerNormGradient(p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], c.rows, c.dim);
          });
  }
}

TEST_CASE("attention agrees with plain loops") {
  for (const TokenShape& s : kShapes) {
    std::vector<float> qkv = noise(s.rows() * 3 * s.dim(), 1);
    for (float& v : qkv) v *= 3;
    agree("softmaxAttention " + s.text(), {noise(s.rows() * s.dim(), 2), qkv}, 2e-5,
          [s](Backend& b, std::vector<float*> p) {
            b.softmaxAttention(p[0], p[1], s.images, s.tokens, s.heads, s.headDim);
          });
    agree("linearAttention " + s.text(), {noise(s.rows() * s.dim(), 2), qkv}, 2e-5,
          [s](Backend& b, std::vector<float*> p) {
            b.linearAttention(p[0], p[1], s.images, s.tokens, s.heads, s.headDim);
          });
    agree("linearAttention's gradient " + s.text(),
          {noise(s.rows() * 3 * s.dim(), 2), noise(s.rows() * s.dim(), 3), qkv}, 5e-5,
          [s](Backend& b, std::vector<float*> p) {
            b.linearAttentionGradient(p[0], p[1], p[2], s.images, s.tokens, s.heads, s.headDim);
          });
  }
}

TEST_CASE("tokens and patches agree with plain loops") {
  for (int64_t registers : {0, 4}) {
    const int64_t images = 3, patches = 20, dim = 33, tokens = 1 + registers + patches;
    agree("embed",
          {noise(images * tokens * dim, 1), noise(images * patches * dim, 2), noise(dim, 3), noise(registers * dim, 4),
           noise((1 + patches) * dim, 5)},
          1e-6, [=](Backend& b, std::vector<float*> p) {
            b.embed(p[0], p[1], p[2], p[3], p[4], images, patches, registers, dim);
          });
    for (bool add : {false, true}) {
      agree("takePatches", {noise(images * patches * dim, 1), noise(images * tokens * dim, 2)}, 1e-6,
            [=](Backend& b, std::vector<float*> p) {
              b.takePatches(p[0], p[1], 0.25f, add, images, tokens, patches, dim);
            });
    }
    agree("putPatches", {noise(images * tokens * dim, 2), noise(images * patches * dim, 1)}, 1e-6,
          [=](Backend& b, std::vector<float*> p) { b.putPatches(p[0], p[1], 0.25f, images, tokens, patches, dim); });
  }
  const int64_t images = 2, h = 28, w = 42, p14 = 14;  // not square
  std::vector<uint8_t> pixels(static_cast<size_t>(images * h * w * 3));
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 37 % 251);
  agree("patchesFromPixels", {noise(images * 3 * h * w, 1)}, 1e-6,
        [&](Backend& b, std::vector<float*> p) { b.patchesFromPixels(p[0], pixels.data(), images, h, w, p14); });
  agree("patchesFromTensor", {noise(images * 3 * h * w, 1), noise(images * 3 * h * w, 2)}, 1e-6,
        [&](Backend& b, std::vector<float*> p) { b.patchesFromTensor(p[0], p[1], images, h, w, p14); });
}

TEST_CASE("loss, maps and scores agree with plain loops") {
  const int64_t images = 3, patches = 35, dim = 130, size = images * patches * dim;
  agree("cosineDistance", {noise(images * patches, 1), noise(size, 2), noise(size, 3)}, 1e-6,
        [=](Backend& b, std::vector<float*> p) { b.cosineDistance(p[0], p[1], p[2], images * patches, dim); });
  for (int64_t k : {int64_t{1}, int64_t{40}, images * patches}) {
    agree("looseLoss", {noise(size, 1), noise(size, 2), noise(size, 3), {0.0f}}, 1e-5,
          [=](Backend& b, std::vector<float*> p) {
            const double loss = b.looseLoss(p[0], p[1], p[2], images, patches, dim, k, 0.5f);
            const auto value = static_cast<float>(loss);
            b.upload(p[3], &value, 1);
          });
  }
  struct {
    int64_t rows, cols, h, w;
  } cases[] = {{1, 1, 14, 14}, {4, 4, 56, 56}, {5, 7, 70, 98}, {28, 28, 392, 392}, {37, 37, 518, 518}};
  for (const auto& c : cases) {
    const int64_t points = 2 * c.rows * c.cols;
    agree("anomalyMaps " + std::to_string(c.h) + "x" + std::to_string(c.w),
          {noise(2 * 65536, 1), noise(points, 2), noise(points, 3)}, 1e-5, [c](Backend& b, std::vector<float*> p) {
            b.anomalyMaps(p[0], {p[1], p[2]}, 2, c.rows, c.cols, c.h, c.w);
          });
  }
  agree("imageScores", {{0, 0}, noise(2 * 65536, 4)}, 1e-6, [](Backend& b, std::vector<float*> p) {
    float scores[2];
    b.imageScores(scores, p[1], 2);
    b.upload(p[0], scores, 2);
  });
}

TEST_CASE("the optimiser agrees with plain loops") {
  std::vector<float> positive = noise(40000, 1), larger = positive;
  for (size_t i = 0; i < positive.size(); ++i) {
    positive[i] = std::abs(positive[i]);
    larger[i] = positive[i] * (i % 2 ? 2.0f : 0.5f);
  }
  OptimizerStep step{};
  step.learningRate = 2e-3;
  step.gradientScale = 0.1;
  for (int64_t t : {1, 7}) {
    step.t = t;
    agree("stableAdamW", {noise(40000, 2), noise(40000, 3), positive, larger, noise(40000, 4)}, 1e-6,
          [step](Backend& b, std::vector<float*> p) { b.stableAdamW(p[0], p[1], p[2], p[3], p[4], 40000, step); });
  }
  agree("squaredNorm", {{0.0f}, noise(40000, 4)}, 1e-6, [](Backend& b, std::vector<float*> p) {
    const auto norm = static_cast<float>(b.squaredNorm(p[1], 40000));
    b.upload(p[0], &norm, 1);
  });
}

TEST_CASE("backward passes agree with finite differences") {
  const int64_t rows = 7, in = 24, out = 40;
  const std::vector<float> dy = noise(rows * out, 9);
  differentiate(
      "linear", {noise(rows * in, 1), noise(out * in, 2), noise(out, 3)}, dy,
      [&](Backend& b, const Values& x) {
        return run(b, {dy, x[0], x[1], x[2]}, [&](Backend& e, std::vector<float*> p) {
          const Weight w(e, p[2], in, out);
          e.linear(p[0], p[1], w.data(), rows, in, out, {p[3], Activation::none, nullptr, nullptr});
        })[0];
      },
      [&](Backend& b, const Values& x) {
        Values found = run(b, {x[0], x[1], x[2], dy, x[0], x[1]}, [&](Backend& e, std::vector<float*> p) {
          const Weight w(e, p[5], in, out);
          e.linearInputGradient(p[0], p[3], w.data(), rows, in, out);
          e.linearWeightGradient(w.data(), p[2], p[3], p[4], rows, in, out);
          w.giveBack(p[1]);
        });
        found.resize(3);
        return found;
      });
  differentiate(
      "gelu", {noise(rows * out, 1)}, dy,
      [&](Backend& b, const Values& x) {
        return run(b, {dy, x[0]}, [&](Backend& e, std::vector<float*> p) { e.gelu(p[0], p[1], rows * out); })[0];
      },
      [&](Backend& b, const Values& x) {
        Values found = run(b, {dy, x[0]},
                           [&](Backend& e, std::vector<float*> p) { e.geluGradient(p[0], p[0], p[1], rows * out); });
        return Values{found[0]};
      });
  differentiate(
      "dropout", {noise(rows * out, 1)}, dy,
      [&](Backend& b, const Values& x) {
        return run(b, {x[0]}, [&](Backend& e, std::vector<float*> p) {
          e.dropout(p[0], p[0], rows, out, {0.3f, 5, 6, 2});
        })[0];
      },
      [&](Backend& b, const Values&) {
        return run(b, {dy}, [&](Backend& e, std::vector<float*> p) {
          e.dropout(p[0], p[0], rows, out, {0.3f, 5, 6, 2});
        });
      });
  differentiate(
      "layerNorm", {noise(rows * out, 1), noise(out, 2), noise(out, 3)}, dy,
      [&](Backend& b, const Values& x) {
        return run(b, {dy, x[0], x[1], x[2]}, [&](Backend& e, std::vector<float*> p) {
          e.layerNorm(p[0], nullptr, nullptr, p[1], p[2], p[3], rows, out, 1e-6f);
        })[0];
      },
      [&](Backend& b, const Values& x) {
        const std::vector<float> zeros(static_cast<size_t>(rows * out)), row(static_cast<size_t>(rows));
        Values found =
            run(b, {zeros, x[1], x[2], dy, x[0], row, row, x[1], zeros}, [&](Backend& e, std::vector<float*> p) {
              e.layerNorm(p[8], p[5], p[6], p[4], p[7], p[2], rows, out, 1e-6f);
              e.layerNormGradient(p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], rows, out);
            });
        found.resize(3);
        return found;
      });
  const TokenShape s{2, 9, 2, 12};
  const std::vector<float> up = noise(s.rows() * s.dim(), 9);
  differentiate(
      "linearAttention", {noise(s.rows() * 3 * s.dim(), 1)}, up,
      [&](Backend& b, const Values& x) {
        return run(b, {up, x[0]}, [&](Backend& e, std::vector<float*> p) {
          e.linearAttention(p[0], p[1], s.images, s.tokens, s.heads, s.headDim);
        })[0];
      },
      [&](Backend& b, const Values& x) {
        Values found = run(b, {x[0], up, x[0]}, [&](Backend& e, std::vector<float*> p) {
          e.linearAttentionGradient(p[0], p[1], p[2], s.images, s.tokens, s.heads, s.headDim);
        });
        return Values{found[0]};
      });
  const int64_t images = 2, patches = 6, dim = 16, size = images * patches * dim;
  const std::vector<float> e = noise(size, 4);
  differentiate(
      "looseLoss without easy points", {noise(size, 5)}, {1.0f},
      [&](Backend& b, const Values& x) {
        std::vector<float> loss(1);
        run(b, {x[0], e, x[0]}, [&](Backend& back, std::vector<float*> p) {
          loss[0] = static_cast<float>(back.looseLoss(p[0], p[1], p[2], images, patches, dim, images * patches, 1.0f));
        });
        return loss;
      },
      [&](Backend& b, const Values& x) {
        Values found = run(b, {x[0], e, x[0]}, [&](Backend& back, std::vector<float*> p) {
          back.looseLoss(p[0], p[1], p[2], images, patches, dim, images * patches, 1.0f);
        });
        return Values{found[0]};
      });
  const int64_t tokens = 9;
  differentiate(
      "takePatches", {noise(images * tokens * dim, 6)}, noise(size, 7),
      [&](Backend& b, const Values& x) {
        return run(b, {e, x[0]}, [&](Backend& back, std::vector<float*> p) {
          back.takePatches(p[0], p[1], 0.25f, false, images, tokens, patches, dim);
        })[0];
      },
      [&](Backend& b, const Values& x) {
        Values found =
            run(b, {std::vector<float>(x[0].size()), noise(size, 7)}, [&](Backend& back, std::vector<float*> p) {
              back.putPatches(p[0], p[1], 0.25f, images, tokens, patches, dim);
            });
        return Values{found[0]};
      });
}
