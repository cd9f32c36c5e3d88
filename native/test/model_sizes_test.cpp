// Networks of the sizes B and L against the oracle's numbers, which test/golden/make_model_sizes.py prints.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "model/dinomaly.h"

using namespace dinomaly;

namespace {

/// Its largest absolute value, and values at equal distances from the first to the last.
struct Sample {
  float largest;
  std::vector<float> values;
};

struct Expected {
  std::vector<Sample> encoder, decoder;  // by group
  Sample map;
  float score;
};

const Expected kLarge = {{{21.065733f,
                           {5.1266069f, -7.0810917f, 2.8040432f, 1.8378778f, 3.0998292f, -7.4975459f, -8.6893427f,
                            -4.4803631f, -5.8304518f, -0.27549023f, -6.2213991f, 10.010380f}},
                          {30.555717f,
                           {6.2571943f, -13.959817f, 5.5933297f, 4.6999596f, -2.6084512f, -8.9847321f, -22.979274f,
                            -2.8944901f, -1.0677350f, -3.0934913f, -7.5172002f, 8.3927497f}}},
                         {{61.283118f,
                           {-1.9916570f, 7.6326583f, 13.674472f, -6.5939360f, 9.1729886f, 4.5781868f, 7.2533554f,
                            20.840626f, 4.3667443f, -15.045771f, 13.201168f, -6.7767908f}},
                          {49.531635f,
                           {3.0112088f, 2.6175413f, 13.636664f, -10.044788f, 7.4402731f, 3.7912628f, 9.2698438f,
                            15.145414f, -2.5717221f, -10.962996f, 13.135429f, -2.2369523f}}},
                         {1.0487190f,
                          {0.36979005f, 1.0290028f, 1.0086148f, 0.99305243f, 0.99744056f, 1.0091784f, 1.0032902f,
                           0.98374802f, 1.0120266f, 1.0227522f, 0.99893914f, 0.36828365f}},
                         1.0428693f};

const Expected kBase = {{{14.211800f,
                          {0.36575266f, -4.6342013f, -0.30408747f, 1.0902032f, -2.7985297f, -4.1261793f, 2.4963637f,
                           -0.41098811f, -1.8154263f, -1.7687539f, -4.2383969f, -4.2448330f}},
                         {18.792284f,
                          {4.4172515f, -9.7435126f, -2.5609005f, 3.3553934f, 1.7360328f, -6.4388541f, 3.1443547f,
                           4.2671078f, -3.8969278f, -1.8733815f, -5.0172098f, -3.3926277f}}},
                        {{27.821998f,
                          {-1.3070652f, -7.5592939f, -10.198165f, -1.2295232f, -3.4225342f, -9.4201134f, -3.4214562f,
                           2.4312945f, -8.0327626f, 3.6515688f, 3.1347075f, 0.35572387f}},
                         {24.146612f,
                          {-4.9124065f, -4.7757054f, -8.9031497f, 0.76543936f, -5.0853812f, -10.060047f, -6.6356838f,
                           -0.55395171f, -5.2642267f, 0.74338993f, -1.0803269f, -0.47826517f}}},
                        {1.0428155f,
                         {0.38378694f, 0.94734295f, 0.95663575f, 0.97609776f, 0.97600427f, 0.96250855f, 0.97930829f,
                          0.99346508f, 0.98387282f, 0.99969708f, 1.0000438f, 0.36606611f}},
                        1.0235488f};

/// centre + scale * u, u in [-1, 1): 24 bits of a hash of the name (FNV-1a) and the index (MurmurHash3's last step).
/// scale is a power of two, so that nothing but the last sum is rounded.
std::vector<float> formula(const std::string& name, int64_t size, float centre, float scale) {
  uint32_t seed = 2166136261u;
  for (char byte : name) seed = (seed ^ static_cast<uint8_t>(byte)) * 16777619u;
  std::vector<float> values(static_cast<size_t>(size));
  for (size_t i = 0; i < values.size(); ++i) {
    uint32_t h = static_cast<uint32_t>(i) + seed;
    h = (h ^ (h >> 16)) * 0x85EBCA6Bu;
    h = (h ^ (h >> 13)) * 0xC2B2AE35u;
    h ^= h >> 16;
    values[i] = centre + scale * (static_cast<float>(static_cast<int32_t>(h >> 8)) * 0x1p-23f - 1.0f);
  }
  return values;
}

std::vector<float> weight(const ParameterInfo& p) {
  const auto endsWith = [&](const std::string& end) {
    return p.name.size() > end.size() && p.name.compare(p.name.size() - end.size(), end.size(), end) == 0;
  };
  if (endsWith(".bias")) return formula(p.name, p.size(), 0, 0x1p-3f);
  if (p.shape.size() == 1) return formula(p.name, p.size(), 1, 0x1p-2f);  // norms and LayerScale
  if (endsWith(".weight")) return formula(p.name, p.size(), 0, 0x1p-4f);
  return formula(p.name, p.size(), 0, 1);  // class token, registers, positions
}

void check(const std::vector<float>& found, const Sample& expected) {
  float largest = 0;
  for (float v : found) largest = std::max(largest, std::abs(v));
  CHECK(std::abs(largest - expected.largest) <= 1e-4f * expected.largest);
  for (size_t i = 0; i < expected.values.size(); ++i) {
    const float value = found[i * (found.size() - 1) / (expected.values.size() - 1)];
    CHECK(std::abs(value - expected.values[i]) <= 1e-4f * expected.largest);
  }
}

void check(const EncoderConfig& encoder, const Expected& expected) {
  constexpr int64_t height = 42, width = 56;
  ModelConfig config;
  config.encoder = encoder;
  Dinomaly model(config, makeCpuBackend(2));
  for (const ParameterInfo& p : model.parameters()) model.setParameter(p.name, weight(p).data());
  const std::vector<float> picture = formula("picture", 3 * height * width, 0, 2);
  Images images;
  images.tensor = picture.data();
  images.count = 1;
  images.height = height;
  images.width = width;
  const Features features = model.encode(images, {});
  const Decoded decoded = model.decode(features, {});
  std::vector<float> group(static_cast<size_t>(features.rows * features.cols * encoder.dim));
  const auto checkGroups = [&](const char* side, const std::vector<Activations>& found,
                               const std::vector<Sample>& samples) {
    CAPTURE(side);
    REQUIRE(found.size() == samples.size());
    for (size_t g = 0; g < found.size(); ++g) {
      CAPTURE(g);
      model.backend().download(group.data(), found[g].get(), static_cast<int64_t>(group.size()));
      check(group, samples[g]);
    }
  };
  checkGroups("encoder", features.groups, expected.encoder);
  checkGroups("decoder", decoded.groups, expected.decoder);
  const Maps maps = model.maps(features, decoded, height, width);
  check(maps.maps, expected.map);
  CHECK(maps.scores[0] == doctest::Approx(expected.score).epsilon(1e-4));
}

}  // namespace

TEST_CASE("networks of the sizes B and L make what the oracle makes") {
  EncoderConfig large;
  large.dim = 1024;
  large.heads = 16;
  large.depth = 24;
  large.targets = {4, 6, 8, 10, 12, 14, 16, 18};
  check(large, kLarge);
  EncoderConfig base;
  base.dim = 768;
  base.heads = 12;
  base.registers = 4;
  check(base, kBase);
}
