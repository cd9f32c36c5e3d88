// The network in int8 on the CPU. The product itself is a case of the table of operations.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "model/dinomaly.h"
#include "small_session.h"

using namespace dinomaly;

namespace {

const std::string kWeight = "decoder.0.mlp.fc1.weight";

std::unique_ptr<Dinomaly> networkIn(CpuPrecision precision, int threads = 2) {
  auto model = std::make_unique<Dinomaly>(smallConfig(), makeCpuBackend(threads, precision));
  model->initialise(true, 1);
  return model;
}

Maps scoresOf(Dinomaly& model, const std::vector<std::vector<uint8_t>>& pictures) {
  std::vector<const uint8_t*> pixels;
  for (const auto& one : pictures) pixels.push_back(one.data());
  Maps all;
  model.score(pixels, kSide, kSide, {}, [&all](const MapsView& some) { all.add(some); });
  return all;
}

std::vector<float> parametersOf(const Dinomaly& model) {
  std::vector<float> all;
  for (const ParameterInfo& p : model.parameters()) {
    const size_t at = all.size();
    all.resize(at + static_cast<size_t>(p.size()));
    model.getParameter(p.name, all.data() + at);
  }
  return all;
}

void setParameters(Dinomaly& model, const std::vector<float>& all) {
  const float* from = all.data();
  for (const ParameterInfo& p : model.parameters()) {
    model.setParameter(p.name, from);
    from += p.size();
  }
}

/// Of pictures that no precision has a part in.
HostFeatures features() {
  const auto model = networkIn(CpuPrecision::f32);
  const std::vector<uint8_t> one = picture(3);
  return model->toHost(model->encodeEach({one.data()}, kSide, kSide, 1, {}).at(0));
}

void step(Dinomaly& model, const HostFeatures& host, const CancelToken& cancel = {}) {
  const Features given = model.toDevice(host);
  model.trainStep({&given}, 4, shortRun(), cancel);
  model.stepResult();
}

double correlation(const std::vector<float>& a, const std::vector<float>& b) {
  const auto n = static_cast<double>(a.size());
  double sa = 0, sb = 0, aa = 0, bb = 0, ab = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    sa += x, sb += y, aa += x * x, bb += y * y, ab += x * y;
  }
  return (ab - sa * sb / n) / std::sqrt((aa - sa * sa / n) * (bb - sb * sb / n));
}

}  // namespace

TEST_CASE("int8 scores are near f32's, and others") {
  const std::vector<std::vector<uint8_t>> pictures = {picture(1), picture(2)};
  const auto exact = scoresOf(*networkIn(CpuPrecision::f32), pictures);
  const auto found = scoresOf(*networkIn(CpuPrecision::int8), pictures);
  CHECK(found.maps != exact.maps);
  CHECK(correlation(found.maps, exact.maps) > 0.999);
}

TEST_CASE("in int8 a picture gives the same bits alone and among others, whatever the number of threads") {
  const std::vector<std::vector<uint8_t>> pictures = {picture(1), picture(2), picture(3)};
  const Maps together = scoresOf(*networkIn(CpuPrecision::int8, 3), pictures);
  for (size_t i = 0; i < pictures.size(); ++i) {
    const Maps alone = scoresOf(*networkIn(CpuPrecision::int8, 1), {pictures[i]});
    CHECK(std::equal(alone.maps.begin(), alone.maps.end(), together.maps.begin() + static_cast<int64_t>(i) * 65536));
    CHECK(alone.scores[0] == together.scores[i]);
  }
}

TEST_CASE("what is trained is trained in f32, whatever was scored between, and then scored as it is") {
  const HostFeatures given = features();
  const std::vector<std::vector<uint8_t>> pictures = {picture(1)};
  const auto exact = networkIn(CpuPrecision::f32), rounded = networkIn(CpuPrecision::int8);
  exact->beginTraining();
  rounded->beginTraining();
  for (int i = 0; i < 2; ++i) {
    const Maps before = scoresOf(*rounded, pictures);
    CancelToken cancelled;
    cancelled.cancel();
    CHECK_THROWS_AS(step(*rounded, given, cancelled), Cancelled);
    CHECK(scoresOf(*rounded, pictures).maps == before.maps);
    step(*exact, given);
    step(*rounded, given);
    CHECK(parametersOf(*rounded) == parametersOf(*exact));
    const auto fresh = networkIn(CpuPrecision::int8);
    setParameters(*fresh, parametersOf(*rounded));
    const Maps after = scoresOf(*rounded, pictures);
    CHECK(after.maps != before.maps);
    CHECK(after.maps == scoresOf(*fresh, pictures).maps);
  }
}

TEST_CASE("weights that are set are rounded anew") {
  const std::vector<std::vector<uint8_t>> pictures = {picture(1)};
  const auto model = networkIn(CpuPrecision::int8);
  const std::vector<float> start = parametersOf(*model);
  const Maps before = scoresOf(*model, pictures);
  std::vector<float> weight(4 * 32 * 32);
  model->getParameter(kWeight, weight.data());
  for (float& w : weight) w *= -1;
  model->setParameter(kWeight, weight.data());
  CHECK(scoresOf(*model, pictures).maps != before.maps);
  setParameters(*model, start);
  CHECK(scoresOf(*model, pictures).maps == before.maps);
}

TEST_CASE("a weight that is not finite is not rounded away") {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const auto model = networkIn(CpuPrecision::int8);
    std::vector<float> weight(4 * 32 * 32);
    model->getParameter(kWeight, weight.data());
    weight[77] = bad;
    model->setParameter(kWeight, weight.data());
    // The first bad output is a bad activation for the next layer.
    CHECK(std::isnan(scoresOf(*model, {picture(1)}).scores[0]));
  }
}
