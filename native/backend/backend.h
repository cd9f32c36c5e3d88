// The operations that the network is made of. A device implements this list; the network knows nothing else of it.
//
// All tensors are f32, dense, row-major, in the device's memory (Buffer). Letters in comments: B images, N tokens of an
// image (class, registers, patches), P patches, D channels, H heads, d = D/H; T = B*N rows.
// Every sum runs in an order that the number of threads does not change. Operations may be asynchronous; download()
// waits for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace dinomaly {

/// Device memory of `size` floats, freed with the last reference.
using Buffer = std::shared_ptr<float>;

enum class Activation { none, gelu };

/// What linear() does after the product: y = residual + scale * act(x W^T + bias). Null: left out.
struct Epilogue {
  const float* bias = nullptr;  // (out)
  Activation activation = Activation::none;
  const float* scale = nullptr;     // (out), LayerScale
  const float* residual = nullptr;  // (rows, out), may be y itself
};

struct Dropout {
  float rate = 0;          // 0: identity
  uint64_t seed = 0;       // of the training run
  uint32_t iteration = 0;  // Philox counter word 2
  uint32_t place = 0;      // Philox counter word 3: which of the network's dropouts
};

struct OptimizerStep {
  double learningRate, beta1 = 0.9, beta2 = 0.999, eps = 1e-10, weightDecay = 1e-4;
  double gradientScale = 1;  // from clipping
  int64_t t = 1;             // counted from 1
};

class Backend {
 public:
  virtual ~Backend() = default;

  // Memory. allocate() throws Error(ERR_OUT_OF_MEMORY); contents are undefined.
  virtual Buffer allocate(int64_t size) = 0;
  virtual void upload(float* to, const float* from, int64_t size) = 0;
  virtual void download(float* to, const float* from, int64_t size) = 0;
  virtual void zero(float* x, int64_t size) = 0;
  virtual void copy(float* to, const float* from, int64_t size) = 0;

  /// How many pictures are worth computing together where no gradient is needed. The network splits batches
  /// accordingly, so that a picture gives the same bits alone or among others.
  virtual int64_t imagesAtOnce() const = 0;

  // Into tokens.
  /// RGB bytes (B, h, w, 3) on the host -> normalised patches (B*P, 3*p*p), channel first inside a patch (paper, 4.1).
  virtual void patchesFromPixels(float* y, const uint8_t* pixels, int64_t images, int64_t h, int64_t w, int64_t p) = 0;
  /// A normalised tensor (B, 3, h, w) on the host -> patches (B*P, 3*p*p).
  virtual void patchesFromTensor(float* y, const float* x, int64_t images, int64_t h, int64_t w, int64_t p) = 0;
  /// y (B,N,D) = [cls + positions[0], registers, patches + positions[1..]]; patches (B*P,D), positions (1+P,D).
  virtual void embed(float* y, const float* patches, const float* cls, const float* registers, const float* positions,
                     int64_t images, int64_t patchCount, int64_t registerCount, int64_t dim) = 0;

  // Linear layers: w (out,in) and its gradient lie in an order of the backend's own, in which nothing but these four
  // and operations element by element reads them.
  /// From and to rows on the host, as PyTorch's Linear keeps them.
  virtual void uploadWeight(float* to, const float* from, int64_t in, int64_t out) = 0;
  virtual void downloadWeight(float* to, const float* from, int64_t in, int64_t out) = 0;
  virtual void linear(float* y, const float* x, const float* w, int64_t rows, int64_t in, int64_t out,
                      const Epilogue& epilogue) = 0;
  /// dx (rows,in) = dy (rows,out) w
  virtual void linearInputGradient(float* dx, const float* dy, const float* w, int64_t rows, int64_t in,
                                   int64_t out) = 0;
  /// dw (out,in) = dy^T x; db (out) = column sums of dy
  virtual void linearWeightGradient(float* dw, float* db, const float* dy, const float* x, int64_t rows, int64_t in,
                                    int64_t out) = 0;

  /// y = gelu(x), exact (erf). In place allowed.
  virtual void gelu(float* y, const float* x, int64_t size) = 0;
  /// dx = dy * gelu'(x). In place allowed (dx = dy).
  virtual void geluGradient(float* dx, const float* dy, const float* x, int64_t size) = 0;

  // Norm. mean and rstd (rows) are kept for the backward pass; null: not kept.
  virtual void layerNorm(float* y, float* mean, float* rstd, const float* x, const float* weight, const float* bias,
                         int64_t rows, int64_t dim, float eps) = 0;
  /// dx += the gradient (it joins the residual path's); dweight, dbias (dim) are written.
  virtual void layerNormGradient(float* dx, float* dweight, float* dbias, const float* dy, const float* x,
                                 const float* mean, const float* rstd, const float* weight, int64_t rows,
                                 int64_t dim) = 0;

  // Attention over qkv (B*N, 3*D), channels ordered [3][H][d].
  /// y (B*N, D) = softmax(q k^T / sqrt(d)) v
  virtual void softmaxAttention(float* y, const float* qkv, int64_t images, int64_t tokens, int64_t heads,
                                int64_t headDim) = 0;
  /// phi = elu + 1: y = phi(q) (phi(k)^T v) / (phi(q) . sum phi(k)) (paper, 3.3).
  virtual void linearAttention(float* y, const float* qkv, int64_t images, int64_t tokens, int64_t heads,
                               int64_t headDim) = 0;
  virtual void linearAttentionGradient(float* dqkv, const float* dy, const float* qkv, int64_t images, int64_t tokens,
                                       int64_t heads, int64_t headDim) = 0;

  // Element by element.
  /// y = x kept with probability 1 - rate and divided by it, else 0. Element i of row r of an (rows, dim) tensor draws
  /// word i%4 of philox({i/4, r, iteration, place}, seed). The same call is its own gradient. In place allowed.
  virtual void dropout(float* y, const float* x, int64_t rows, int64_t dim, const Dropout& dropout) = 0;
  /// y += a * x
  virtual void addScaled(float* y, const float* x, float a, int64_t size) = 0;
  /// The patches of tokens (B,N,D) -> (B,P,D), each multiplied by a; added to what is there if `add`.
  virtual void takePatches(float* y, const float* tokens, float a, bool add, int64_t images, int64_t tokenCount,
                           int64_t patchCount, int64_t dim) = 0;
  /// dtokens (B,N,D) += a * dpatches (B,P,D), class token and registers untouched.
  virtual void putPatches(float* dtokens, const float* dpatches, float a, int64_t images, int64_t tokenCount,
                          int64_t patchCount, int64_t dim) = 0;

  // Loss and maps.
  /// distance (rows) = 1 - cosine(e, d) per row of (rows, dim), eps 1e-8 as torch's cosine_similarity.
  virtual void cosineDistance(float* distance, const float* e, const float* d, int64_t rows, int64_t dim) = 0;
  /// The loose loss of one group (paper, 3.4): returns mean over images of 1 - cosine of the flattened (P*D) maps;
  /// writes dd (B,P,D) = `weight` * its gradient, times 0.1 for patches whose distance is below the k-th largest of the
  /// batch; k from 1 to B*P. In place allowed (dd = d). A loss that is not finite leaves dd as it is.
  virtual double looseLoss(float* dd, const float* e, const float* d, int64_t images, int64_t patches, int64_t dim,
                           int64_t k, float weight) = 0;
  /// Patch distances (B, rows, cols) per group -> maps (B,256,256): enlarged to (h,w) with aligned corners, averaged,
  /// to 256x256 without, 5x5 Gaussian, sigma 4, zero padding.
  virtual void anomalyMaps(float* maps, const std::vector<const float*>& distances, int64_t images, int64_t rows,
                           int64_t cols, int64_t h, int64_t w) = 0;
  /// scores (B) on the host: mean of the 655 largest of each 256x256 map.
  virtual void imageScores(float* scores, const float* maps, int64_t images) = 0;

  // Optimiser.
  /// Sum of squares; chunks of it are added in double.
  virtual double squaredNorm(const float* x, int64_t size) = 0;
  /// StableAdamW with AMSGrad over one tensor (released code). g is multiplied by gradientScale, and p by
  /// 1 - learningRate * weightDecay; m, v and vmax are Adam's; then
  /// p -= learningRate / max(1, rms(g / denominator)) * m / (1 - beta1^t) / denominator,
  /// denominator = sqrt(vmax / (1 - beta2^t)) + eps.
  virtual void stableAdamW(float* p, float* m, float* v, float* vmax, const float* g, int64_t size,
                           const OptimizerStep& step) = 0;
};

/// The version of the matrix library, such as "2.6.3".
std::string oneDnnVersion();

/// threads 0: as many as the machine has cores. Throws ERR_DEVICE_UNAVAILABLE where the processor lacks AVX2.
std::unique_ptr<Backend> makeCpuBackend(int threads);

}  // namespace dinomaly
