#include "plain_backend.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "backend/float_backend.h"
#include "core/philox.h"

namespace dinomaly {
namespace {

constexpr double kMean[3] = {0.485, 0.456, 0.406}, kStd[3] = {0.229, 0.224, 0.225};

double phi(double x) {
  return x > 0 ? x + 1 : std::exp(x);
}
double phiSlope(double x) {
  return x > 0 ? 1 : std::exp(x);
}
std::vector<double> featuresOf(const float* x, int64_t size) {
  std::vector<double> features;
  for (int64_t i = 0; i < size; ++i) features.push_back(phi(x[i]));
  return features;
}
double geluOf(double x) {
  return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
}

/// Each row in so many steps: of the largest value to either side, or of the range of its values and 0.
std::vector<float> roundedRows(const float* x, int64_t rows, int64_t n, int32_t levels, bool symmetric) {
  std::vector<float> rounded;
  for (const float* row = x; row < x + rows * n; row += n) {
    float low = 0, high = 0;
    for (int64_t i = 0; i < n; ++i) {
      low = std::min(low, symmetric ? -std::abs(row[i]) : row[i]);
      high = std::max(high, symmetric ? std::abs(row[i]) : row[i]);
    }
    const float range = symmetric ? high : high - low, steps = range > 0 ? static_cast<float>(levels) / range : 0;
    const auto stepsTo = [steps](float value) { return std::nearbyint(static_cast<double>(value) * steps); };
    for (int64_t i = 0; i < n; ++i) {
      const double step = std::min(stepsTo(row[i]), levels + (symmetric ? 0 : stepsTo(low)));
      rounded.push_back(static_cast<float>(step * range / levels));
    }
  }
  return rounded;
}

double cosine(const float* e, const float* d, int64_t n) {
  double ed = 0, ee = 0, dd = 0;
  for (int64_t i = 0; i < n; ++i) {
    ed += static_cast<double>(e[i]) * d[i];
    ee += static_cast<double>(e[i]) * e[i];
    dd += static_cast<double>(d[i]) * d[i];
  }
  return ed / (std::max(std::sqrt(ee), 1e-8) * std::max(std::sqrt(dd), 1e-8));
}

/// Bilinear: (h,w) -> (toH,toW), torch's interpolate with and without align_corners.
std::vector<double> interpolate(const std::vector<double>& x, int64_t h, int64_t w, int64_t toH, int64_t toW,
                                bool aligned) {
  const auto sourceOf = [&](int64_t i, int64_t from, int64_t to) {
    if (aligned)
      return to > 1 ? static_cast<double>(i) * static_cast<double>(from - 1) / static_cast<double>(to - 1) : 0;
    return std::max(0.0, (static_cast<double>(i) + 0.5) * static_cast<double>(from) / static_cast<double>(to) - 0.5);
  };
  std::vector<double> y;
  for (int64_t i = 0; i < toH; ++i) {
    for (int64_t j = 0; j < toW; ++j) {
      const double sy = sourceOf(i, h, toH), sx = sourceOf(j, w, toW);
      const auto y0 = std::min(static_cast<int64_t>(sy), h - 1), x0 = std::min(static_cast<int64_t>(sx), w - 1);
      const int64_t y1 = std::min(y0 + 1, h - 1), x1 = std::min(x0 + 1, w - 1);
      const double fy = sy - static_cast<double>(y0), fx = sx - static_cast<double>(x0);
      const auto at = [&](int64_t r, int64_t c) { return x[static_cast<size_t>(r * w + c)]; };
      y.push_back((1 - fy) * ((1 - fx) * at(y0, x0) + fx * at(y0, x1)) +
                  fy * ((1 - fx) * at(y1, x0) + fx * at(y1, x1)));
    }
  }
  return y;
}

class PlainBackend : public FloatBackend {
 public:
  explicit PlainBackend(std::optional<ByteLevels> levels) : levels_(levels) {}
  int64_t imagesAtOnce() const override { return 1; }
  std::shared_ptr<void> allocateBytes(int64_t bytes) override {
    const auto block = std::make_shared<std::vector<double>>(static_cast<size_t>(bytes) / sizeof(double) + 1);
    return {block, block->data()};
  }

  void patchesFromPixels(float* y, const uint8_t* pixels, int64_t images, int64_t h, int64_t w, int64_t p) override {
    std::vector<float> x(static_cast<size_t>(images * 3 * h * w));
    for (int64_t b = 0; b < images; ++b) {
      for (int64_t c = 0; c < 3; ++c) {
        for (int64_t i = 0; i < h * w; ++i) {
          const double value = pixels[(b * h * w + i) * 3 + c] / 255.0;
          x[static_cast<size_t>((b * 3 + c) * h * w + i)] = static_cast<float>((value - kMean[c]) / kStd[c]);
        }
      }
    }
    patchesFromTensor(y, x.data(), images, h, w, p);
  }

  void patchesFromTensor(float* y, const float* x, int64_t images, int64_t h, int64_t w, int64_t p) override {
    const int64_t rows = h / p, cols = w / p;
    for (int64_t b = 0; b < images; ++b) {
      for (int64_t c = 0; c < 3; ++c) {
        for (int64_t i = 0; i < h; ++i) {
          for (int64_t j = 0; j < w; ++j) {
            const int64_t patch = (b * rows + i / p) * cols + j / p;
            y[(patch * 3 + c) * p * p + i % p * p + j % p] = x[((b * 3 + c) * h + i) * w + j];
          }
        }
      }
    }
  }

  void embed(float* y, const float* patches, const float* cls, const float* registers, const float* positions,
             int64_t images, int64_t patchCount, int64_t registerCount, int64_t dim) override {
    for (int64_t b = 0; b < images; ++b) {
      for (int64_t c = 0; c < dim; ++c) *y++ = cls[c] + positions[c];
      for (int64_t c = 0; c < registerCount * dim; ++c) *y++ = registers[c];
      for (int64_t c = 0; c < patchCount * dim; ++c) *y++ = *patches++ + positions[dim + c];
    }
  }

  void uploadWeight(float* to, const float* from, int64_t in, int64_t out) override {
    std::copy(from, from + in * out, to);
  }
  void downloadWeight(float* to, const float* from, int64_t in, int64_t out) override {
    std::copy(from, from + in * out, to);
  }

  void linear(float* y, const float* x, const float* w, int64_t rows, int64_t in, int64_t out,
              const FloatEpilogue& e) override {
    std::vector<float> roundedX, roundedW;
    if (levels_ && e.mayRound && in <= kMostBytes) {
      roundedX = roundedRows(x, rows, in, levels_->left, false);
      roundedW = roundedRows(w, out, in, levels_->right, true);
      x = roundedX.data();
      w = roundedW.data();
    }
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t o = 0; o < out; ++o) {
        double v = e.bias ? e.bias[o] : 0;
        for (int64_t i = 0; i < in; ++i) v += static_cast<double>(x[r * in + i]) * w[o * in + i];
        if (e.activation == Activation::gelu) v = geluOf(v);
        if (e.scale) v *= e.scale[o];
        if (e.residual) v += e.residual[r * out + o];
        y[r * out + o] = static_cast<float>(v);
      }
    }
  }

  void linearInputGradient(float* dx, const float* dy, const float* w, int64_t rows, int64_t in, int64_t out) override {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t i = 0; i < in; ++i) {
        double sum = 0;
        for (int64_t o = 0; o < out; ++o) sum += static_cast<double>(dy[r * out + o]) * w[o * in + i];
        dx[r * in + i] = static_cast<float>(sum);
      }
    }
  }

  void linearWeightGradient(float* dw, float* db, const float* dy, const float* x, int64_t rows, int64_t in,
                            int64_t out) override {
    for (int64_t o = 0; o < out; ++o) {
      double bias = 0;
      for (int64_t r = 0; r < rows; ++r) bias += dy[r * out + o];
      if (db) db[o] = static_cast<float>(bias);
      for (int64_t i = 0; i < in; ++i) {
        double sum = 0;
        for (int64_t r = 0; r < rows; ++r) sum += static_cast<double>(dy[r * out + o]) * x[r * in + i];
        dw[o * in + i] = static_cast<float>(sum);
      }
    }
  }

  void gelu(float* y, const float* x, int64_t size) override {
    for (int64_t i = 0; i < size; ++i) y[i] = static_cast<float>(geluOf(x[i]));
  }

  void geluBackward(float* x, float* dy, float* db, int64_t rows, int64_t dim) override {
    for (int64_t c = 0; c < dim; ++c) {
      double sum = 0;
      for (int64_t i = c; i < rows * dim; i += dim) {
        const double v = x[i], density = std::exp(-v * v / 2) / std::sqrt(2 * std::acos(-1.0));
        dy[i] = static_cast<float>(dy[i] * (0.5 * (1 + std::erf(v / std::sqrt(2.0))) + v * density));
        sum += dy[i];
        x[i] = static_cast<float>(geluOf(v));
      }
      db[c] = static_cast<float>(sum);
    }
  }

  void layerNorm(float* y, float* mean, float* rstd, const float* x, const float* weight, const float* bias,
                 int64_t rows, int64_t dim, float eps) override {
    for (int64_t r = 0; r < rows; ++r, x += dim, y += dim) {
      double sum = 0, squares = 0;
      for (int64_t i = 0; i < dim; ++i) sum += x[i];
      const double centre = sum / static_cast<double>(dim);
      for (int64_t i = 0; i < dim; ++i) squares += (x[i] - centre) * (x[i] - centre);
      const double scale = 1 / std::sqrt(squares / static_cast<double>(dim) + eps);
      for (int64_t i = 0; i < dim; ++i) y[i] = static_cast<float>((x[i] - centre) * scale * weight[i] + bias[i]);
      if (mean) {
        mean[r] = static_cast<float>(centre);
        rstd[r] = static_cast<float>(scale);
      }
    }
  }

  void layerNormGradient(float* dx, float* dweight, float* dbias, const float* dy, const float* x, const float* mean,
                         const float* rstd, const float* weight, int64_t rows, int64_t dim) override {
    std::vector<double> dw(static_cast<size_t>(dim)), db(static_cast<size_t>(dim));
    for (int64_t r = 0; r < rows; ++r) {
      double sum = 0, product = 0;
      for (int64_t i = 0; i < dim; ++i) {
        const double n = (static_cast<double>(x[r * dim + i]) - mean[r]) * rstd[r];
        const double g = static_cast<double>(dy[r * dim + i]) * weight[i];
        sum += g / static_cast<double>(dim);
        product += g * n / static_cast<double>(dim);
        dw[static_cast<size_t>(i)] += dy[r * dim + i] * n;
        db[static_cast<size_t>(i)] += dy[r * dim + i];
      }
      for (int64_t i = 0; i < dim; ++i) {
        const double n = (static_cast<double>(x[r * dim + i]) - mean[r]) * rstd[r];
        dx[r * dim + i] +=
            static_cast<float>(rstd[r] * (static_cast<double>(dy[r * dim + i]) * weight[i] - sum - n * product));
      }
    }
    for (int64_t i = 0; i < dim; ++i) {
      dweight[i] = static_cast<float>(dw[static_cast<size_t>(i)]);
      dbias[i] = static_cast<float>(db[static_cast<size_t>(i)]);
    }
  }

  void softmaxAttention(float* y, const float* qkv, int64_t images, int64_t tokens, int64_t heads, int64_t d) override {
    attention(y, qkv, images, tokens, heads, d, [&](const float* q, const float* k) {
      double dot = 0;
      for (int64_t i = 0; i < d; ++i) dot += static_cast<double>(q[i]) * k[i];
      return std::exp(dot / std::sqrt(static_cast<double>(d)));
    });
  }

  void linearAttention(float* y, const float* qkv, int64_t images, int64_t tokens, int64_t heads, int64_t d) override {
    const std::vector<double> features = featuresOf(qkv, images * tokens * 3 * heads * d);
    attention(y, qkv, images, tokens, heads, d, [&](const float* q, const float* k) {
      double dot = 0;
      for (int64_t i = 0; i < d; ++i)
        dot += features[static_cast<size_t>(q - qkv + i)] * features[static_cast<size_t>(k - qkv + i)];
      return dot;
    });
  }

  void linearAttentionGradient(float* dqkv, const float* dy, const float* qkv, int64_t images, int64_t tokens,
                               int64_t heads, int64_t d) override {
    // By the N x N form: y_t = sum_s a_ts v_s / sum_s a_ts with a_ts = phi(q_t) . phi(k_s).
    const int64_t dim = heads * d, stride = 3 * dim;
    std::vector<double> grad(static_cast<size_t>(images * tokens * stride));
    const std::vector<double> features = featuresOf(qkv, images * tokens * stride);
    const auto feature = [&](int64_t i) { return features[static_cast<size_t>(i)]; };
    for (int64_t b = 0; b < images; ++b) {
      for (int64_t h = 0; h < heads; ++h) {
        for (int64_t t = 0; t < tokens; ++t) {
          const int64_t query = (b * tokens + t) * stride + h * d;
          const float* up = dy + (b * tokens + t) * dim + h * d;
          std::vector<double> a(static_cast<size_t>(tokens)), y(static_cast<size_t>(d));
          double z = 0;
          for (int64_t s = 0; s < tokens; ++s) {
            const int64_t key = (b * tokens + s) * stride + dim + h * d;
            for (int64_t i = 0; i < d; ++i) a[static_cast<size_t>(s)] += feature(query + i) * feature(key + i);
            z += a[static_cast<size_t>(s)];
          }
          for (int64_t s = 0; s < tokens; ++s) {
            const float* v = qkv + (b * tokens + s) * stride + 2 * dim + h * d;
            for (int64_t i = 0; i < d; ++i) y[static_cast<size_t>(i)] += a[static_cast<size_t>(s)] * v[i] / z;
          }
          for (int64_t s = 0; s < tokens; ++s) {
            const int64_t key = (b * tokens + s) * stride + dim + h * d;
            double da = 0;
            for (int64_t i = 0; i < d; ++i) {
              da += up[i] * (static_cast<double>(qkv[key + dim + i]) - y[static_cast<size_t>(i)]) / z;
              grad[static_cast<size_t>(key + dim + i)] += up[i] * a[static_cast<size_t>(s)] / z;
            }
            for (int64_t i = 0; i < d; ++i) {
              grad[static_cast<size_t>(key + i)] += da * feature(query + i);
              grad[static_cast<size_t>(query + i)] += da * feature(key + i);
            }
          }
        }
      }
    }
    for (int64_t i = 0; i < images * tokens * stride; ++i) {
      const bool value = i % stride >= 2 * dim;  // else a query or a key, of which phi was taken
      dqkv[i] = static_cast<float>(grad[static_cast<size_t>(i)] * (value ? 1 : phiSlope(qkv[i])));
    }
  }

  void dropout(float* y, const float* x, int64_t rows, int64_t dim, const FloatDropout& d) override {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t i = 0; i < dim; ++i) {
        const Philox4 words = philox({static_cast<uint32_t>(i / 4), static_cast<uint32_t>(r), d.iteration, d.place},
                                     static_cast<uint32_t>(d.seed), static_cast<uint32_t>(d.seed >> 32));
        const bool kept = uniform(words[static_cast<size_t>(i % 4)]) >= d.rate;
        y[r * dim + i] = kept ? x[r * dim + i] / (1 - d.rate) : 0.0f;
      }
    }
  }

  void weightedSum(float* y, const float* const* xs, const float* weights, int64_t count, int64_t size) override {
    for (int64_t i = 0; i < size; ++i) y[i] = weightedSumAt(xs, weights, count, i);
  }

  void takePatches(float* y, const float* const* tokens, const float* weights, int64_t count, int64_t images,
                   int64_t tokenCount, int64_t patchCount, int64_t dim) override {
    for (int64_t b = 0; b < images; ++b) {
      const int64_t first = ((b + 1) * tokenCount - patchCount) * dim;
      for (int64_t i = 0; i < patchCount * dim; ++i) *y++ = weightedSumAt(tokens, weights, count, first + i);
    }
  }

  void groupMeans(Element* mean, Element* const* groups, const float* weights, int64_t groupCount,
                  const Element* const* tokens, int64_t count, int64_t images, int64_t tokenCount, int64_t patchCount,
                  int64_t dim) override {
    for (int64_t i = 0; i < images * tokenCount * dim; ++i) {
      const int64_t image = i / (tokenCount * dim), before = (image + 1) * (tokenCount - patchCount) * dim;
      const bool isPatch = i % (tokenCount * dim) >= (tokenCount - patchCount) * dim;
      double sum = 0;
      for (int64_t k = 0; k < count; ++k) sum += floatsOf(tokens[k])[i];
      floatsOf(mean)[i] = static_cast<float>(sum / static_cast<double>(count));
      for (int64_t g = 0; isPatch && g < groupCount; ++g) {
        double ofGroup = 0;
        for (int64_t k = 0; k < count; ++k) {
          const float weight = weights[g * count + k];
          if (weight != 0) ofGroup += static_cast<double>(weight) * floatsOf(tokens[k])[i];
        }
        floatsOf(groups[g])[i - before] = static_cast<float>(ofGroup);
      }
    }
  }

  void putPatches(float* dtokens, const float* dpatches, float a, int64_t images, int64_t tokenCount,
                  int64_t patchCount, int64_t dim) override {
    for (int64_t b = 0; b < images; ++b) {
      float* out = dtokens + ((b + 1) * tokenCount - patchCount) * dim;
      for (int64_t i = 0; i < patchCount * dim; ++i) out[i] += a * *dpatches++;
    }
  }

  void cosineDistance(float* distance, const float* e, const float* d, int64_t rows, int64_t dim) override {
    for (int64_t r = 0; r < rows; ++r) {
      distance[r] = static_cast<float>(1 - cosine(e + r * dim, d + r * dim, dim));
    }
  }

  double looseLoss(float* dd, const float* e, const float* d, int64_t images, int64_t patches, int64_t dim, int64_t k,
                   float weight) override {
    std::vector<float> distance(static_cast<size_t>(images * patches)), sorted;
    cosineDistance(distance.data(), e, d, images * patches, dim);
    sorted = distance;
    const int64_t size = patches * dim;
    double loss = 0;
    for (int64_t b = 0; b < images; ++b) {
      loss += (1 - cosine(e + b * size, d + b * size, size)) / static_cast<double>(images);
    }
    if (!std::isfinite(loss)) return loss;
    std::sort(sorted.begin(), sorted.end(), std::greater<float>());
    for (int64_t b = 0; b < images; ++b) {
      const float *eb = e + b * size, *db = d + b * size;
      const double cos = cosine(eb, db, size);
      double ee = 0, ddSum = 0;
      for (int64_t i = 0; i < size; ++i) {
        ee += static_cast<double>(eb[i]) * eb[i];
        ddSum += static_cast<double>(db[i]) * db[i];
      }
      for (int64_t i = 0; i < size; ++i) {
        const bool easy = distance[static_cast<size_t>(b * patches + i / dim)] < sorted[static_cast<size_t>(k - 1)];
        const double slope = -(eb[i] / std::sqrt(ee * ddSum) - cos * db[i] / ddSum);
        dd[b * size + i] = static_cast<float>(weight * (easy ? 0.1 : 1) * slope / static_cast<double>(images));
      }
    }
    return loss;
  }

  void anomalyMaps(float* maps, const float* const* distances, int64_t groups, int64_t images, int64_t rows,
                   int64_t cols, int64_t h, int64_t w) override {
    constexpr int64_t side = 256;
    double taps[5], sum = 0;
    for (int t = 0; t < 5; ++t) sum += taps[t] = std::exp(-(t - 2) * (t - 2) / 32.0);
    for (int64_t b = 0; b < images; ++b) {
      std::vector<double> mean(static_cast<size_t>(h * w));
      for (int64_t g = 0; g < groups; ++g) {
        const float* group = distances[g];
        const std::vector<double> patches(group + b * rows * cols, group + (b + 1) * rows * cols);
        const std::vector<double> enlarged = interpolate(patches, rows, cols, h, w, true);
        for (size_t i = 0; i < mean.size(); ++i) mean[i] += enlarged[i] / static_cast<double>(groups);
      }
      const std::vector<double> small = interpolate(mean, h, w, side, side, false);
      for (int64_t y = 0; y < side; ++y) {
        for (int64_t x = 0; x < side; ++x) {
          double v = 0;
          for (int64_t i = -2; i <= 2; ++i) {
            for (int64_t j = -2; j <= 2; ++j) {
              if (y + i < 0 || y + i >= side || x + j < 0 || x + j >= side) continue;
              v += taps[i + 2] * taps[j + 2] / (sum * sum) * small[static_cast<size_t>((y + i) * side + x + j)];
            }
          }
          *maps++ = static_cast<float>(v);
        }
      }
    }
  }

  void imageScores(float* scores, const float* maps, int64_t images) override {
    for (int64_t b = 0; b < images; ++b) {
      std::vector<float> pixels(maps + b * 65536, maps + (b + 1) * 65536);
      std::sort(pixels.begin(), pixels.end(), std::greater<float>());
      double sum = 0;
      for (size_t i = 0; i < 655; ++i) sum += pixels[i];
      scores[b] = static_cast<float>(sum / 655);
    }
  }

  double squaredNorm(const float* x, int64_t size) override {
    double sum = 0;
    for (int64_t i = 0; i < size; ++i) sum += static_cast<double>(x[i]) * x[i];
    return sum;
  }

  void stableAdamW(float* p, float* m, float* v, float* vmax, const float* g, int64_t size,
                   const OptimizerStep& s) override {
    const auto t = static_cast<double>(s.t);
    double squares = 0;
    const auto denominator = [&](int64_t i) {
      return std::sqrt(static_cast<double>(vmax[i])) / std::sqrt(1 - std::pow(s.beta2, t)) + s.eps;
    };
    for (int64_t i = 0; i < size; ++i) {
      const double gradient = g[i] * s.gradientScale;
      m[i] = static_cast<float>(s.beta1 * m[i] + (1 - s.beta1) * gradient);
      v[i] = static_cast<float>(s.beta2 * v[i] + (1 - s.beta2) * gradient * gradient);
      vmax[i] = std::max(vmax[i], v[i]);
      squares += gradient / denominator(i) * (gradient / denominator(i));
    }
    const double rms = std::sqrt(squares / static_cast<double>(size));
    const double rate = s.learningRate / (1 - std::pow(s.beta1, t)) / std::max(1.0, rms);
    for (int64_t i = 0; i < size; ++i) {
      p[i] = static_cast<float>(p[i] * (1 - s.learningRate * s.weightDecay) - rate * m[i] / denominator(i));
    }
  }

 private:
  static float* floatsOf(Element* x) { return reinterpret_cast<float*>(x); }
  static const float* floatsOf(const Element* x) { return reinterpret_cast<const float*>(x); }
  static float weightedSumAt(const float* const* xs, const float* weights, int64_t count, int64_t i) {
    double sum = 0;
    for (int64_t k = 0; k < count; ++k) sum += static_cast<double>(weights[k]) * xs[k][i];
    return static_cast<float>(sum);
  }

  /// y_t = sum_s a(q_t, k_s) v_s / sum_s a(q_t, k_s)
  template <typename Affinity>
  static void attention(float* y, const float* qkv, int64_t images, int64_t tokens, int64_t heads, int64_t d,
                        const Affinity& affinity) {
    const int64_t dim = heads * d, stride = 3 * dim;
    for (int64_t b = 0; b < images; ++b) {
      for (int64_t h = 0; h < heads; ++h) {
        for (int64_t t = 0; t < tokens; ++t) {
          std::vector<double> sum(static_cast<size_t>(d));
          double total = 0;
          for (int64_t s = 0; s < tokens; ++s) {
            const float* key = qkv + (b * tokens + s) * stride + dim + h * d;
            const double a = affinity(qkv + (b * tokens + t) * stride + h * d, key);
            total += a;
            for (int64_t i = 0; i < d; ++i) sum[static_cast<size_t>(i)] += a * key[dim + i];
          }
          for (int64_t i = 0; i < d; ++i) {
            y[(b * tokens + t) * dim + h * d + i] = static_cast<float>(sum[static_cast<size_t>(i)] / total);
          }
        }
      }
    }
  }

 private:
  const std::optional<ByteLevels> levels_;
};

}  // namespace

std::unique_ptr<FloatBackend> makePlainBackend(std::optional<ByteLevels> levels) {
  return std::make_unique<PlainBackend>(levels);
}

}  // namespace dinomaly
