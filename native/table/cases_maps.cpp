// Distances, maps and scores.
#include "table/cases.h"

namespace dinomaly::table {
namespace {

constexpr int64_t kMapPixels = 256 * 256;

Case distance(int64_t rows, int64_t dim) {
  Case c{"cosineDistance",
         shapeText(rows, dim),
         {floats(Access::write, rows), activations(Access::read, rows * dim), activations(Access::read, rows * dim)}};
  c.run = [=](Backend& b, const Placed& p) { b.cosineDistance(p.f(0), p.e(1), p.e(2), rows, dim); };
  c.tolerance = {1e-6};
  c.flops = 6.0 * static_cast<double>(rows * dim);
  c.source = "loss.cu";
  c.large = rows > 405;
  return c;
}

Case maps(int64_t groups, int64_t images, int64_t rows, int64_t cols, int64_t h, int64_t w) {
  Case c{"anomalyMaps", shapeText(groups, images, h, w), {floats(Access::write, images * kMapPixels)}};
  for (int64_t g = 0; g < groups; ++g) c.operands.push_back(floats(Access::read, images * rows * cols));
  c.run = [=](Backend& b, const Placed& p) {
    std::vector<const float*> distances;
    for (int64_t g = 1; g <= groups; ++g) distances.push_back(p.f(static_cast<size_t>(g)));
    b.anomalyMaps(p.f(0), distances.data(), groups, images, rows, cols, h, w);
  };
  c.tolerance = {1e-5};
  c.flops = static_cast<double>(images * kMapPixels) * (2.0 * static_cast<double>(groups) * 4 + 20);
  c.source = "maps.cu";
  return c;
}

Case scores(int64_t images) {
  Case c{"imageScores", shapeText(images), {floats(Access::write, images), floats(Access::read, images * kMapPixels)}};
  c.run = [=](Backend& b, const Placed& p) { b.imageScores(p.f(0), p.f(1), images); };
  c.tolerance = {1e-6};
  c.flops = static_cast<double>(images * kMapPixels);
  c.source = "maps.cu";
  return c;
}

/// Maps of few values, so that many are equal to the 655th largest.
Case scoresOfTies() {
  std::vector<float> steps(kMapPixels);
  for (size_t i = 0; i < steps.size(); ++i) steps[i] = static_cast<float>(i * 7919 % 100) / 100 - 0.2f;
  Case c = scores(1);
  c.operation = "imageScores, ties";
  c.operands[1] = given(Kind::floats, Access::read, std::move(steps));
  return c;
}

}  // namespace

Cases mapCases() {
  return {distance(1, 64),
          distance(3 * 35, 130),
          distance(5, 1024),
          distance(789, 384),
          maps(2, 2, 1, 1, 14, 14),
          maps(2, 2, 4, 4, 56, 56),
          maps(2, 2, 5, 7, 70, 98),
          maps(1, 1, 7, 5, 98, 70),
          maps(2, 2, 28, 28, 392, 392),
          maps(2, 2, 37, 37, 518, 518),
          scores(2),
          scoresOfTies()};
}

Cases mapCases(const Network& n) {
  const int64_t side = n.side / 14;
  return {scored(n.groups, distance(n.images * n.patches(), n.dim)),
          scored(1, maps(n.groups, n.images, side, side, n.side, n.side)), scored(1, scores(n.images))};
}

}  // namespace dinomaly::table
