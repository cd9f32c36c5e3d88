// The operations that the network is made of. A device implements this list; the network knows nothing else of it.
//
// All tensors are dense, row-major, in the device's memory. Activations and their gradients (Element) are of a type
// that the device chooses, f32 or bf16; everything else is f32, and so are activations where they are called wide.
// Letters in comments: B images, N tokens of an image (class, registers, patches), P patches, D channels, H heads,
// d = D/H; T = B*N rows. Every sum runs in an order that the number of threads does not change. Operations may be
// asynchronous; download() and stepOutcome() wait for them. One thread at a time; buffers may be dropped by any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/step.h"

namespace dinomaly {

/// An activation, of a type that the device knows: no arithmetic on its addresses, but Backend::at().
struct Element;

/// Device memory, freed with the last reference.
using Buffer = std::shared_ptr<float>;
using Activations = std::shared_ptr<Element>;
using Bytes = std::shared_ptr<uint8_t>;

enum class Activation : int32_t { none, gelu };

/// What linear() does after the product: y = residual + scale * act(x W^T + bias). Null: left out.
struct Epilogue {
  const float* bias = nullptr;  // (out)
  Activation activation = Activation::none;
  const float* scale = nullptr;       // (out), LayerScale
  const Element* residual = nullptr;  // (rows, out), may be y itself
  /// Whether a backend that was asked for int8 may round x and w to bytes: not where a gradient follows.
  bool mayRound = false;
  bool wide = false;  // y and residual are; not with an activation
};

/// Which of the network's dropouts; the step's numbers say the rest.
struct Dropout {
  float rate = 0;      // 0: identity
  uint32_t place = 0;  // Philox counter word 3
};

/// A parameter in training, with its gradient and the moments; all of `size`.
struct TrainedTensor {
  float *p, *m, *v, *vmax;
  const float* g;
  int64_t size;
};

/// Of `size` activations that are not wide.
struct Copy {
  Element* to;
  const Element* from;
  int64_t size;
};

/// Of a device.
struct MemoryState {
  int64_t freeBytes = 0, allBytes = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;

  // Memory. Contents of what is allocated are undefined; throws Error(ERR_OUT_OF_MEMORY).
  virtual std::shared_ptr<void> allocateBytes(int64_t bytes) = 0;
  virtual void uploadBytes(void* to, const void* from, int64_t bytes) = 0;
  /// `count` pieces of `bytes` each, one behind the other.
  virtual void uploadEach(void* to, const void* const* from, int64_t count, int64_t bytes) = 0;
  virtual void downloadBytes(void* to, const void* from, int64_t bytes) = 0;
  /// Starts a copy to the host, for the operations after it not to wait for; finishDownload() waits and tells where it
  /// lies, for as long as `download` is kept.
  virtual std::shared_ptr<void> startDownload(const void* from, int64_t bytes) = 0;
  virtual const void* finishDownload(const std::shared_ptr<void>& download) = 0;
  virtual void zeroBytes(void* x, int64_t bytes) = 0;
  virtual void copyBytes(void* to, const void* from, int64_t bytes) = 0;
  /// All of them, in any order: none writes what another reads or writes. The array is the host's, and not needed after
  /// the call.
  virtual void copyEach(const Copy* copies, int64_t count) = 0;
  /// Zeros where the device's memory is the host's.
  virtual MemoryState memory() = 0;
  /// Of an Element.
  virtual int64_t elementBytes() const = 0;
  virtual void toElements(Element* y, const float* x, int64_t size) = 0;
  virtual void fromElements(float* y, const Element* x, int64_t size) = 0;

  // The same by the number of values.
  Buffer allocate(int64_t size) { return std::static_pointer_cast<float>(allocateBytes(size * kFloat)); }
  Activations allocateActivations(int64_t size, bool wide = false) {
    return std::static_pointer_cast<Element>(allocateBytes(size * (wide ? kFloat : elementBytes())));
  }
  void upload(float* to, const float* from, int64_t size) { uploadBytes(to, from, size * kFloat); }
  void download(float* to, const float* from, int64_t size) { downloadBytes(to, from, size * kFloat); }
  void download(float* to, const Element* from, int64_t size);
  /// Wide activations as others are: themselves where all are f32.
  Activations narrowed(const Activations& wide, int64_t size);
  void zero(float* x, int64_t size) { zeroBytes(x, size * kFloat); }
  void zero(Element* x, int64_t size) { zeroBytes(x, size * elementBytes()); }
  void copy(Element* to, const Element* from, int64_t size) { copyBytes(to, from, size * elementBytes()); }
  Element* at(const Activations& x, int64_t index) const {
    return reinterpret_cast<Element*>(reinterpret_cast<char*>(x.get()) + index * elementBytes());
  }

  /// How many pictures are worth computing together where no gradient is needed. The network splits batches
  /// accordingly, so that a picture gives the same bits alone or among others.
  virtual int64_t imagesAtOnce() const = 0;
  /// Whether the backward pass computes an MLP's hidden layer and what attention gave again, rather than that they are
  /// kept: half of what would be kept of a block, for about a ninth of its work.
  virtual bool recomputes() const = 0;
  /// What it has measured of its device, as text that another backend can be given; may be empty.
  virtual std::string tuning() = 0;
  /// Throws ERR_FILE_FORMAT for what tuning() cannot have given.
  virtual void addTuning(const char* text) = 0;
  /// Parameters were written by upload() or uploadWeight(): whatever was derived from them is no longer true.
  virtual void parametersChanged() = 0;

  // Recording. A device may remember the operations that `work` calls, under `id`, and from then on repeat them without
  // calling it. So work must call the same ones with the same arguments each time, on buffers that live as long as the
  // recording; those that it allocates itself hold nothing afterwards. It neither uploads nor downloads.
  virtual void run(int64_t id, const std::function<void()>& work) = 0;
  virtual void forget(int64_t id) = 0;

  // Into tokens.
  /// RGB bytes (B, h, w, 3) -> normalised patches (B*P, 3*p*p), channel first inside a patch (paper, 4.1).
  virtual void patchesFromPixels(Element* y, const uint8_t* pixels, int64_t images, int64_t h, int64_t w,
                                 int64_t p) = 0;
  /// A normalised tensor (B, 3, h, w) -> patches (B*P, 3*p*p).
  virtual void patchesFromTensor(Element* y, const float* x, int64_t images, int64_t h, int64_t w, int64_t p) = 0;
  /// y (B,N,D) = [cls + positions[0], registers, patches + positions[1..]]; patches (B*P,D), positions (1+P,D). y and
  /// patches are wide.
  virtual void embed(Element* y, const Element* patches, const float* cls, const float* registers,
                     const float* positions, int64_t images, int64_t patchCount, int64_t registerCount,
                     int64_t dim) = 0;

  // Linear layers: w (out,in) and its gradient lie in an order of the backend's own, in which nothing but these
  // and operations element by element reads them.
  /// Of one that training does not change: on a device whose products read copies it may lie elsewhere.
  virtual Buffer allocateFrozenWeight(int64_t size);
  /// From and to rows on the host, as PyTorch's Linear keeps them.
  virtual void uploadWeight(float* to, const float* from, int64_t in, int64_t out) = 0;
  virtual void downloadWeight(float* to, const float* from, int64_t in, int64_t out) = 0;
  virtual void linear(Element* y, const Element* x, const float* w, int64_t rows, int64_t in, int64_t out,
                      const Epilogue& epilogue) = 0;
  /// dx (rows,in) = dy (rows,out) w
  virtual void linearInputGradient(Element* dx, const Element* dy, const float* w, int64_t rows, int64_t in,
                                   int64_t out) = 0;
  /// dw (out,in) = dy^T x; db (out) = column sums of dy, unless it is null
  virtual void linearWeightGradient(float* dw, float* db, const Element* dy, const Element* x, int64_t rows, int64_t in,
                                    int64_t out) = 0;

  /// y = gelu(x), exact (erf). In place allowed.
  virtual void gelu(Element* y, const Element* x, int64_t size) = 0;
  /// Behind a linear layer that gave x (rows,dim): dy (rows,dim) becomes dy * gelu'(x), db (dim) its column sums, which
  /// are the gradient of that layer's bias, and x becomes gelu(x). At least one row.
  virtual void geluBackward(Element* x, Element* dy, float* db, int64_t rows, int64_t dim) = 0;

  // Norm. mean and rstd (rows) are kept for the backward pass; null: not kept. wide: x is.
  virtual void layerNorm(Element* y, float* mean, float* rstd, const Element* x, const float* weight, const float* bias,
                         int64_t rows, int64_t dim, float eps, bool wide) = 0;
  /// dx += the gradient (it joins the residual path's); dweight, dbias (dim) are written.
  virtual void layerNormGradient(Element* dx, float* dweight, float* dbias, const Element* dy, const Element* x,
                                 const float* mean, const float* rstd, const float* weight, int64_t rows,
                                 int64_t dim) = 0;

  // Attention over qkv (B*N, 3*D), channels ordered [3][H][d].
  /// y (B*N, D) = softmax(q k^T / sqrt(d)) v
  virtual void softmaxAttention(Element* y, const Element* qkv, int64_t images, int64_t tokens, int64_t heads,
                                int64_t headDim) = 0;
  /// phi = elu + 1: y = phi(q) (phi(k)^T v) / (phi(q) . sum phi(k)) (paper, 3.3).
  virtual void linearAttention(Element* y, const Element* qkv, int64_t images, int64_t tokens, int64_t heads,
                               int64_t headDim) = 0;
  virtual void linearAttentionGradient(Element* dqkv, const Element* dy, const Element* qkv, int64_t images,
                                       int64_t tokens, int64_t heads, int64_t headDim) = 0;

  // Element by element.
  /// y = x kept with probability 1 - rate and divided by it, else 0. Element i of row r of an (rows, dim) tensor draws
  /// word i%4 of philox({i/4, r, iteration, place}, seed). The same call is its own gradient. In place allowed.
  virtual void dropout(Element* y, const Element* x, int64_t rows, int64_t dim, const Dropout& dropout) = 0;
  // Sums of `count` tensors, 1 or more, each multiplied by its weight: in that order, in f32, and rounded once for each
  // 8 tensors at least. The arrays are the host's, and not needed after the call.
  /// y = sum of weights[i] * xs[i]; y may be xs[0].
  virtual void weightedSum(Element* y, const Element* const* xs, const float* weights, int64_t count, int64_t size) = 0;
  /// The same of the patches of tokens[i] (B,N,D) -> (B,P,D).
  virtual void takePatches(Element* y, const Element* const* tokens, const float* weights, int64_t count,
                           int64_t images, int64_t tokenCount, int64_t patchCount, int64_t dim) = 0;
  /// takePatches() of those tokens whose weight is not 0, of which there is one at least.
  void groupMean(Element* y, const float* weights, const Element* const* tokens, int64_t count, int64_t images,
                 int64_t tokenCount, int64_t patchCount, int64_t dim);
  /// mean (B,N,D) = the mean of all tokens[i] (B,N,D); groups[g] (B,P,D) = groupMean() by weights[g * count...]. By
  /// default the operations above one after the other; a device may read each tensor once for all of the results. None
  /// of these overlaps a tensor.
  virtual void groupMeans(Element* mean, Element* const* groups, const float* weights, int64_t groupCount,
                          const Element* const* tokens, int64_t count, int64_t images, int64_t tokenCount,
                          int64_t patchCount, int64_t dim);
  /// dtokens (B,N,D) += a * dpatches (B,P,D), class token and registers untouched.
  virtual void putPatches(Element* dtokens, const Element* dpatches, float a, int64_t images, int64_t tokenCount,
                          int64_t patchCount, int64_t dim) = 0;

  // Maps.
  /// distance (rows) = 1 - cosine(e, d) per row of (rows, dim), eps 1e-8 as torch's cosine_similarity.
  virtual void cosineDistance(float* distance, const Element* e, const Element* d, int64_t rows, int64_t dim) = 0;
  /// Patch distances (B, rows, cols) of each of the groups -> maps (B,256,256): enlarged to (h,w) with aligned corners,
  /// averaged, to 256x256 without, 5x5 Gaussian, sigma 4, zero padding.
  virtual void anomalyMaps(float* maps, const float* const* distances, int64_t groups, int64_t images, int64_t rows,
                           int64_t cols, int64_t h, int64_t w) = 0;
  /// scores (B): mean of the 655 largest of each 256x256 map.
  virtual void imageScores(float* scores, const float* maps, int64_t images) = 0;

  // A training step: beginStep(), forward pass, looseLoss() of each group, backward pass, optimizerStep().
  /// What optimizerStep() trains, until the next call.
  virtual void setTrained(const TrainedTensor* tensors, int64_t count) = 0;
  virtual void beginStep(const StepNumbers& numbers) = 0;
  /// The loose loss of one group (paper, 3.4), mean over images of 1 - cosine of the flattened (P*D) maps: `share` of
  /// it joins the step's loss. Writes dd (B,P,D) = share * its gradient, times 0.1 for patches whose distance is below
  /// the batch's `hardest`-th largest. In place allowed (dd = d). A loss that is not finite leaves dd as it is.
  virtual void looseLoss(Element* dd, const Element* e, const Element* d, int64_t images, int64_t patches, int64_t dim,
                         float share) = 0;
  /// Global norm of the gradients (chunks of their squares are added in double), clipping as torch's clip_grad_norm_,
  /// and StableAdamW with AMSGrad (released code): with g clipped and p multiplied by 1 - learningRate * weightDecay,
  /// m, v and vmax as Adam's, p -= learningRate / max(1, rms(g / denominator)) * m / (1 - beta1^t) / denominator,
  /// denominator = sqrt(vmax / (1 - beta2^t)) + eps, rms over a tensor. From a step on whose loss or norm is not finite
  /// nothing is changed, until stepOutcome() has told so.
  virtual void optimizerStep() = 0;
  virtual StepOutcome stepOutcome() = 0;

 private:
  static constexpr int64_t kFloat = sizeof(float);
};

/// The version of the matrix library, such as "2.6.3".
std::string oneDnnVersion();

/// int8: linear layers that may be rounded multiply bytes; all else is f32.
enum class CpuPrecision { f32, int8 };

/// threads 0: as many as the machine has cores. Throws ERR_DEVICE_UNAVAILABLE where the processor lacks AVX2.
std::unique_ptr<Backend> makeCpuBackend(int threads, CpuPrecision precision = CpuPrecision::f32);

}  // namespace dinomaly
