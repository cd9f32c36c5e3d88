// The arguments that products.cu gives cuBLASLt, held against plain products, and what the emulated library refuses.
#include <initializer_list>
#include <string>

#include "backend/cuda/cublaslt.h"
#include "backend/cuda/products.h"
#include "cuda_support.h"
#include "error_code.h"

using namespace dinomaly;
using namespace dinomaly::cuda;

namespace {

/// y = left right + bias + old in double, of row-major matrices or their transposes.
std::vector<float> plainProduct(const std::vector<float>& left, bool leftTransposed, const std::vector<float>& right,
                                bool rightTransposed, int64_t m, int64_t n, int64_t k, const float* bias,
                                const std::vector<float>& old) {
  std::vector<float> y;
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double sum = bias ? bias[j] : 0;
      if (!old.empty()) sum += old[static_cast<size_t>(i * n + j)];
      for (int64_t p = 0; p < k; ++p) {
        sum += static_cast<double>(left[static_cast<size_t>(leftTransposed ? p * m + i : i * k + p)]) *
               right[static_cast<size_t>(rightTransposed ? j * k + p : p * n + j)];
      }
      y.push_back(static_cast<float>(sum));
    }
  }
  return y;
}

constexpr int64_t m = 7, n = 12, k = 19;  // all different, so that no two can be mistaken for each other

/// Transposed or not, with bias and onto what is there.
template <typename T, typename Y>
void check(Precision precision, float tolerance) {
  Products products(precision);
  const std::vector<T> left = as<T>(noise(m * k, 1)), right = as<T>(noise(k * n, 2));
  const std::vector<Y> bias = as<Y>(noise(n, 3)), old = as<Y>(noise(m * n, 4));
  const std::vector<float> plainBias = floats(bias), plainOld = floats(old), none;
  for (const bool leftTransposed : {false, true}) {
    for (const bool rightTransposed : {false, true}) {
      for (const bool hasBias : {false, true}) {
        for (const bool hasOld : {false, true}) {
          std::vector<Y> y = hasOld ? old : as<Y>(std::vector<float>(m * n, NAN));
          products.multiply<T, Y>(Stream(), y.data(), {left.data(), leftTransposed}, {right.data(), rightTransposed}, m,
                                  n, k, {hasBias ? bias.data() : nullptr, false, hasOld ? y.data() : nullptr});
          const auto expected = plainProduct(floats(left), leftTransposed, floats(right), rightTransposed, m, n, k,
                                             hasBias ? plainBias.data() : nullptr, hasOld ? plainOld : none);
          CHECK(difference(floats(y), expected) <= tolerance);
        }
      }
    }
  }
}

constexpr float kBf16Rounding = 1.0f / 256;  // half a unit in the last place of 1, the most relative to a value

double tanhGelu(double x) {
  return x / (1 + std::exp(-2 * std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
}

double exactGelu(double x) {
  return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
}

/// Half a unit in the last place of a bf16 of this size.
double halfUnit(double value) {
  return std::ldexp(1.0, std::ilogb(value) - 8);
}

/// Of one shape, f32, and what the emulated library computed for them.
class Multiplier {
 public:
  explicit Multiplier(Choosing choosing) : products(Precision::f32, choosing) {}

  /// How many products cuBLASLt computes for one.
  uint64_t multiply() {
    const uint64_t before = emulated::cublasLtLog().products;
    std::vector<float> y = old_;
    products.multiply<float, float>(Stream(), y.data(), {left_.data()}, {right_.data()}, m, n, k,
                                    {nullptr, false, y.data()});
    CHECK(difference(y, plainProduct(left_, false, right_, false, m, n, k, nullptr, old_)) <= 1e-6f);
    return emulated::cublasLtLog().products - before;
  }
  uint64_t taken() const { return emulated::cublasLtLog().lastAlgorithm; }

  Products products;

 private:
  std::vector<float> left_ = noise(m * k, 1), right_ = noise(k * n, 2), old_ = noise(m * n, 3);
};

const ProductPlace kPlace{"emulated", 9, 0, 130000};
const ProductShape kShape{Precision::f32, false, false, false, m, n, k, false, false, true};

/// A choice for Multiplier's product, as a file holds it.
std::string stored(const ProductAlgorithm& algorithm, const ProductPlace& place = kPlace) {
  ProductChoices choices;
  choices.keep(place, kShape, algorithm);
  return choices.text();
}

uint64_t choiceIn(const Products& products) {
  const ProductAlgorithm* const chosen = products.choices().find(kPlace, kShape);
  return chosen ? chosen->front() : 0;
}

// By their places in kCublasLtAlgorithms.
constexpr uint64_t kInPlace = 1, kTooLarge = 4, kFirst = 6, kQuickest = 7, kAsQuick = 9;
constexpr uint64_t kRunsToTime = 3 * 6;  // of three candidates that run

}  // namespace

TEST_CASE("products through cuBLASLt agree with plain loops, transposed or not, with bias and onto what is there") {
  check<float, float>(Precision::f32, 1e-6f);
  check<float, float>(Precision::tf32, 2e-3f);
  check<bf16, float>(Precision::bf16, 1e-6f);  // of factors that are bf16 already, with f32 sums
  check<bf16, bf16>(Precision::bf16, kBf16Rounding);
}

TEST_CASE("products with GELU are the tanh form of the plain product and bias") {
  Products products(Precision::bf16);
  const std::vector<bf16> left = as<bf16>(noise(m * k, 1)), right = as<bf16>(noise(k * n, 2)),
                          bias = as<bf16>(noise(n, 3));
  std::vector<bf16> y(m * n);
  products.multiply<bf16, bf16>(Stream(), y.data(), {left.data()}, {right.data(), true}, m, n, k, {bias.data(), true});
  auto expected = plainProduct(floats(left), false, floats(right), true, m, n, k, floats(bias).data(), {});
  for (float& v : expected) v = static_cast<float>(tanhGelu(v));
  CHECK(difference(floats(y), expected) <= kBf16Rounding);
}

TEST_CASE("cuBLASLt's GELU differs from the exact one by less than a bf16 shows, but close to zero") {
  double largest = 0, ofUnitAbove = 0, largestBeyond = 0;
  for (int i = -100000; i <= 100000; ++i) {
    const double x = i * 1e-4, exact = exactGelu(x), difference = std::abs(emulated::cublasLtGelu(x) - exact);
    largest = std::max(largest, difference);
    if (exact > 0) ofUnitAbove = std::max(ofUnitAbove, difference / halfUnit(exact));
    if (exact != 0 && difference > halfUnit(exact)) largestBeyond = std::max(largestBeyond, std::abs(exact));
  }
  CHECK(largest == doctest::Approx(4.732e-4).epsilon(1e-3));
  CHECK(largest < 3e-2 / 60);  // of features whose largest is 1: a sixtieth of what bf16 may differ by
  CHECK(ofUnitAbove < 0.11);   // of half a unit, where the value is positive
  CHECK(largestBeyond < 0.044);
}

TEST_CASE("products refuse factors of another precision, and GELU that is not of a bf16 result and a bias alone") {
  std::vector<float> x(4), y(4);
  std::vector<bf16> x16(4), y16(4), more(4);
  Products f32(Precision::f32), products(Precision::bf16);
  CHECK(errorCode([&] { products.multiply<float, float>(Stream(), y.data(), {x.data()}, {x.data()}, 2, 2, 2); }) ==
        "ERR_INTERNAL");
  CHECK(errorCode([&] {
          f32.multiply<float, float>(Stream(), y.data(), {x.data()}, {x.data()}, 2, 2, 2, {x.data(), true});
        }) == "ERR_INTERNAL");
  CHECK(errorCode([&] {
          products.multiply<bf16, float>(Stream(), y.data(), {x16.data()}, {x16.data()}, 2, 2, 2, {x.data(), true});
        }) == "ERR_INTERNAL");
  const auto ofBf16 = [&](const ProductEpilogue<bf16>& epilogue) {
    return errorCode(
        [&] { products.multiply<bf16, bf16>(Stream(), y16.data(), {x16.data()}, {x16.data()}, 2, 2, 2, epilogue); });
  };
  CHECK(ofBf16({more.data(), true}).empty());
  CHECK(ofBf16({nullptr, true}) == "ERR_INTERNAL");
  CHECK(ofBf16({more.data(), true, y16.data()}) == "ERR_INTERNAL");
}

TEST_CASE("products refuse what does not lie at 16 bytes") {
  Products products(Precision::f32);
  std::vector<float> values(64);
  for (size_t shifted = 0; shifted <= 5; ++shifted) {  // 5: none
    const auto at = [&](size_t operand) { return values.data() + operand * 8 + (operand == shifted ? 1 : 0); };
    const std::string code = errorCode([&] {
      products.multiply<float, float>(Stream(), at(0), {at(1)}, {at(2)}, 2, 2, 2, {at(3), false, at(4)});
    });
    CHECK(code == (shifted == 5 ? "" : "ERR_INTERNAL"));
  }
}

TEST_CASE("products without a stored choice take the heuristic's first, of those that add as they should") {
  Multiplier multiplier(Choosing::first);
  CHECK(multiplier.multiply() == 1);
  CHECK(multiplier.taken() == kFirst);
  CHECK(multiplier.products.choices().text() == ProductChoices().text());
}

TEST_CASE("timed products take the quickest, the heuristic's order deciding between two, and are timed once") {
  Multiplier multiplier(Choosing::timed);
  CHECK(multiplier.multiply() == kRunsToTime + 1);
  CHECK(multiplier.taken() == kQuickest);
  CHECK(multiplier.products.choices().text() == stored({kQuickest}));
  CHECK(multiplier.multiply() == 1);
  CHECK(multiplier.taken() == kQuickest);
}

TEST_CASE("a stored choice is taken without timing, also by who takes the first, and for a product used before") {
  for (const Choosing choosing : {Choosing::first, Choosing::timed}) {
    Multiplier multiplier(choosing);
    multiplier.products.addChoices(stored({kAsQuick}));
    CHECK(multiplier.multiply() == 1);
    CHECK(multiplier.taken() == kAsQuick);
    multiplier.products.addChoices(stored({kFirst}));
    CHECK(multiplier.multiply() == 1);
    CHECK(multiplier.taken() == kFirst);
    CHECK(multiplier.products.choices().text() == stored({kFirst}));
  }
}

TEST_CASE("a stored choice of another device or version of cuBLASLt is left alone") {
  for (const ProductPlace& place : {ProductPlace{"other", 9, 0, 130000}, ProductPlace{"emulated", 8, 0, 130000},
                                    ProductPlace{"emulated", 9, 1, 130000}, ProductPlace{"emulated", 9, 0, 130001}}) {
    Multiplier multiplier(Choosing::first);
    multiplier.products.addChoices(stored({kAsQuick}, place));
    multiplier.multiply();
    CHECK(multiplier.taken() == kFirst);
    CHECK(multiplier.products.choices().text() == stored({kAsQuick}, place));
  }
}

TEST_CASE("a stored choice that cuBLASLt refuses, or that adds in place, is replaced") {
  const ProductAlgorithm ofOtherTypes{kQuickest, CUDA_R_16BF, CUDA_R_16BF}, ofNone{77};
  for (const ProductAlgorithm& bad : {ofNone, ofOtherTypes, ProductAlgorithm{kInPlace}, ProductAlgorithm{kTooLarge}}) {
    Multiplier timed(Choosing::timed), first(Choosing::first);
    timed.products.addChoices(stored(bad));
    CHECK(timed.multiply() == kRunsToTime + 1);
    CHECK(choiceIn(timed.products) == kQuickest);
    first.products.addChoices(stored(bad));
    CHECK(first.multiply() == 1);
    CHECK(first.taken() == kFirst);
    CHECK(choiceIn(first.products) == 0);
  }
}

TEST_CASE("choices of products are the same after a way through their text") {
  ProductChoices choices, again;
  uint64_t number = 0;
  for (const Precision precision : {Precision::f32, Precision::tf32, Precision::bf16}) {
    for (int flags = 0; flags < 64; ++flags) {
      const auto flag = [flags](int bit) { return (flags >> bit & 1) != 0; };
      const ProductShape shape{precision,        flag(0), flag(1), flag(2), flags + 1,
                               int64_t{1} << 40, 3,       flag(3), flag(4), flag(5)};
      choices.keep({"NVIDIA H100 80GB HBM3", 9, 0, ~uint64_t{0}}, shape, {++number, ~uint64_t{0}, 0, 0, 0, 0, 0, 1});
    }
  }
  again.add(choices.text());
  CHECK(again.text() == choices.text());
  again.add(ProductChoices().text());  // none of them
  CHECK(again.text() == choices.text());
  CHECK(choices.text().substr(0, 20) == "dinomaly products 1\n");
}

TEST_CASE("choices that are added go over those for the same products, and leave others") {
  ProductChoices choices;
  choices.keep(kPlace, kShape, {1});
  choices.keep({"other", 9, 0, 130000}, kShape, {2});
  choices.add(stored({3}));
  CHECK(choices.find(kPlace, kShape)->front() == 3);
  CHECK(choices.find({"other", 9, 0, 130000}, kShape)->front() == 2);
}

TEST_CASE("text that is no list of choices is refused as a whole") {
  const std::string good = stored({kQuickest}), first = "dinomaly products 1\n", line = good.substr(first.size());
  const std::string hex(128, '0');
  const auto with = [&](const std::string& old, const std::string& changed) {
    std::string text = good;
    const size_t at = text.rfind(old);
    REQUIRE(at != std::string::npos);
    return text.replace(at, old.size(), changed);
  };
  ProductChoices choices;
  choices.keep(kPlace, kShape, {kFirst});
  const std::string before = choices.text();
  const auto refused = [&](const std::string& text) {
    CAPTURE(text);
    CHECK(errorCode([&] { choices.add(text); }) == "ERR_FILE_FORMAT");
    CHECK(choices.text() == before);
  };
  for (size_t length = 0; length < good.size(); ++length) {
    if (length != first.size()) refused(good.substr(0, length));  // that one is a list of none
  }
  refused(with("products 1", "products 2"));
  refused(good + line);  // twice
  refused(good + "\n");
  refused(good + std::string("\0\n", 2));
  refused(with("emulated", ""));
  refused(with("emulated", std::string(256, 'x')));
  refused(with("emulated", "emu\x1b[2Jlated"));
  refused(with("emulated\t9", "emulated\t-9"));
  refused(with("emulated\t9", "emulated\t99999999999999999999"));
  refused(with("\t130000\t", "\t0130000\t"));
  refused(with("\t130000\t", "\t18446744073709551616\t"));
  refused(with("\t12\t", "\t0\t"));
  refused(with("\t12\t", "\t-12\t"));
  refused(with("\t12\t", "\t+12\t"));
  refused(with("\t12\t", "\t12 \t"));
  refused(with("\t12\t", "\t9223372036854775808\t"));
  refused(with("\tf32\tf32\t", "\tf32\tf64\t"));
  refused(with("\tf32\tf32\t", "\tf16\tf32\t"));
  refused(with("\tn\tn\t", "\tn\tN\t"));
  refused(with("\told\t", "\tolder\t"));
  refused(with("\told\t", "\t"));
  refused(with("\told\t", "\told\t\t"));
  refused(with("\n", "0\n"));
  refused(with("\n", "\tmore\n"));
  refused(with("0\n", "g\n"));
  refused(with("0\n", "A\n"));
  refused(first + std::string(1 << 20, '\t') + "\n");
  refused(std::string(1 << 20, 'x'));
}

namespace {

/// Calls the emulated cuBLASLt itself: d (2,5) = a (2,3) b (3,5) and what a test changes of it. Column by column.
struct Call {
  cudaDataType_t typeA = CUDA_R_32F, typeB = CUDA_R_32F, typeC = CUDA_R_32F, typeD = CUDA_R_32F;
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  int32_t biasType = -1;
  bool hasBias = true;
  uint64_t rowsA = 2, colsA = 3, rowsB = 3, colsB = 5, rowsD = 2, colsD = 5;
  int64_t strideD = 2;
  uint64_t algorithm = kFirst;
  size_t workspace = 0, shiftA = 0, shiftB = 0, shiftD = 0, shiftBias = 0;  // floats

  cublasStatus_t run() {
    cublasLtMatmulDesc_t desc = nullptr;
    cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr, d = nullptr;
    REQUIRE(cublasLtMatmulDescCreate(&desc, compute, CUDA_R_32F) == CUBLAS_STATUS_SUCCESS);
    const void* const bias = hasBias ? ones.data() + shiftBias : nullptr;
    set(desc, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
    set(desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    set(desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, biasType);
    REQUIRE(cublasLtMatrixLayoutCreate(&a, typeA, rowsA, colsA, 3) == CUBLAS_STATUS_SUCCESS);
    REQUIRE(cublasLtMatrixLayoutCreate(&b, typeB, rowsB, colsB, 3) == CUBLAS_STATUS_SUCCESS);
    REQUIRE(cublasLtMatrixLayoutCreate(&c, typeC, rowsD, colsD, strideD) == CUBLAS_STATUS_SUCCESS);
    REQUIRE(cublasLtMatrixLayoutCreate(&d, typeD, rowsD, colsD, strideD) == CUBLAS_STATUS_SUCCESS);
    const float one = 1, none = 0;
    const cublasLtMatmulAlgo_t algo{{algorithm, static_cast<uint64_t>(typeA), static_cast<uint64_t>(typeD)}};
    const cublasStatus_t status =
        cublasLtMatmul(nullptr, desc, &one, ones.data() + shiftA, a, ones.data() + shiftB, b, &none,
                       result.data() + shiftD, c, result.data() + shiftD, d, &algo, memory.data(), workspace, nullptr);
    for (auto* layout : {a, b, c, d}) cublasLtMatrixLayoutDestroy(layout);
    cublasLtMatmulDescDestroy(desc);
    return status;
  }

  std::vector<float> ones = std::vector<float>(32, 1.0f), result = std::vector<float>(32);

 private:
  template <typename Value>
  static void set(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t attribute, const Value& value) {
    REQUIRE(cublasLtMatmulDescSetAttribute(desc, attribute, &value, sizeof value) == CUBLAS_STATUS_SUCCESS);
  }

  std::vector<float> memory = std::vector<float>(1 << 18);
};

cublasStatus_t changed(const std::function<void(Call&)>& change) {
  Call call;
  change(call);
  return call.run();
}

}  // namespace

TEST_CASE("the emulated cuBLASLt multiplies, and adds a bias where it is asked to") {
  Call call;
  CHECK(call.run() == CUBLAS_STATUS_SUCCESS);
  CHECK(std::vector<float>(call.result.begin(), call.result.begin() + 10) == std::vector<float>(10, 3.0f));
  call.epilogue = CUBLASLT_EPILOGUE_BIAS;
  CHECK(call.run() == CUBLAS_STATUS_SUCCESS);
  CHECK(std::vector<float>(call.result.begin(), call.result.begin() + 10) == std::vector<float>(10, 4.0f));
}

TEST_CASE("the emulated cuBLASLt refuses shapes that do not meet and strides that are too small") {
  CHECK(changed([](Call& call) { call.rowsB = 2; }) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(changed([](Call& call) { call.rowsD = 1; }) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(changed([](Call& call) { call.colsD = 4; }) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(changed([](Call& call) { call.colsA = 2; }) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(changed([](Call& call) { call.strideD = 1; }) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(changed([](Call& call) { call.colsA = call.rowsB = 0; }) == CUBLAS_STATUS_INVALID_VALUE);
}

TEST_CASE("the emulated cuBLASLt refuses types that do not go together") {
  CHECK(changed([](Call& call) { call.typeA = call.typeB = CUDA_R_16BF; }) == CUBLAS_STATUS_SUCCESS);
  CHECK(changed([](Call& call) { call.typeA = call.typeB = call.typeC = call.typeD = CUDA_R_16BF; }) ==
        CUBLAS_STATUS_SUCCESS);
  CHECK(changed([](Call& call) { call.typeA = CUDA_R_16BF; }) == CUBLAS_STATUS_NOT_SUPPORTED);
  CHECK(changed([](Call& call) { call.typeC = call.typeD = CUDA_R_16BF; }) == CUBLAS_STATUS_NOT_SUPPORTED);
  CHECK(changed([](Call& call) { call.typeC = CUDA_R_16BF; }) == CUBLAS_STATUS_NOT_SUPPORTED);
  CHECK(changed([](Call& call) { call.compute = CUBLAS_COMPUTE_32F_FAST_TF32; }) == CUBLAS_STATUS_SUCCESS);
  CHECK(changed([](Call& call) {
          call.compute = CUBLAS_COMPUTE_32F_FAST_TF32;
          call.typeA = call.typeB = CUDA_R_16BF;
        }) == CUBLAS_STATUS_NOT_SUPPORTED);
}

TEST_CASE("the emulated cuBLASLt refuses a bias that is missing, of another type than the result or out of line") {
  const auto withBias = [](const std::function<void(Call&)>& change) {
    return changed([&](Call& call) {
      call.epilogue = CUBLASLT_EPILOGUE_BIAS;
      change(call);
    });
  };
  CHECK(withBias([](Call& call) { call.biasType = CUDA_R_32F; }) == CUBLAS_STATUS_SUCCESS);
  CHECK(withBias([](Call& call) { call.biasType = CUDA_R_16BF; }) == CUBLAS_STATUS_NOT_SUPPORTED);
  CHECK(withBias([](Call& call) { call.hasBias = false; }) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(withBias([](Call& call) { call.shiftBias = 1; }) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(changed([](Call& call) { call.epilogue = static_cast<cublasLtEpilogue_t>(2); }) == CUBLAS_STATUS_NOT_SUPPORTED);
}

TEST_CASE("the emulated cuBLASLt refuses algorithms that are none, and less memory or alignment than one needs") {
  CHECK(changed([](Call& call) { call.algorithm = 0; }) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(changed([](Call& call) { call.algorithm = kQuickest; }) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(changed([](Call& call) {
          call.algorithm = kQuickest;
          call.workspace = 1 << 20;
        }) == CUBLAS_STATUS_SUCCESS);
  CHECK(changed([](Call& call) { call.shiftA = 1; }) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(changed([](Call& call) { call.shiftB = 2; }) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(changed([](Call& call) { call.shiftD = 3; }) == CUBLAS_STATUS_INVALID_VALUE);
}
