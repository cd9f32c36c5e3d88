// From pictures to tokens, and between tokens and patches.
#include "table/cases.h"

namespace dinomaly::table {
namespace {

constexpr int64_t kPatch = 14;

Case base(const std::string& operation, const std::string& shape, std::vector<Operand> operands, int64_t written,
          double flopsEach) {
  Case c{operation, shape, std::move(operands)};
  c.tolerance = {1e-6};
  c.flops = flopsEach * static_cast<double>(written);
  c.source = "tokens.cu";
  return c;
}

Case fromPixels(int64_t images, int64_t h, int64_t w) {
  const int64_t size = images * 3 * h * w;
  Case c =
      base("patchesFromPixels", shapeText(images, h, w), {activations(Access::write, size), pixels(size)}, size, 2);
  c.run = [=](Backend& b, const Placed& p) { b.patchesFromPixels(p.e(0), p.bytes(1), images, h, w, kPatch); };
  return c;
}

Case fromTensor(int64_t images, int64_t h, int64_t w) {
  const int64_t size = images * 3 * h * w;
  Case c = base("patchesFromTensor", shapeText(images, h, w),
                {activations(Access::write, size), floats(Access::read, size)}, size, 0);
  c.run = [=](Backend& b, const Placed& p) { b.patchesFromTensor(p.e(0), p.f(1), images, h, w, kPatch); };
  return c;
}

struct Shape {
  int64_t images, patches, registers, dim;
  int64_t tokens() const { return 1 + registers + patches; }
  int64_t all() const { return images * tokens() * dim; }
  int64_t ofPatches() const { return images * patches * dim; }
  std::string text() const { return shapeText(images, patches, dim) + ", registers " + std::to_string(registers); }
};

Case embedding(const Shape& s) {
  Case c = base("embed", s.text(),
                {floats(Access::write, s.all()), floats(Access::read, s.ofPatches()), floats(Access::read, s.dim),
                 floats(Access::read, s.registers * s.dim), floats(Access::read, (1 + s.patches) * s.dim)},
                s.all(), 1);
  c.run = [=](Backend& b, const Placed& p) {
    b.embed(p.e(0), p.e(1), p.f(2), s.registers ? p.f(3) : nullptr, p.f(4), s.images, s.patches, s.registers, s.dim);
  };
  return c;
}

Case take(const Shape& s, int64_t count) {
  // What is read of the tokens is the patches.
  Case c = base("takePatches", s.text() + ", of " + std::to_string(count), {activations(Access::write, s.ofPatches())},
                s.ofPatches(), 2.0 * static_cast<double>(count));
  for (int64_t i = 0; i < count; ++i) c.operands.push_back(activations(Access::read, s.all()));
  c.run = [=](Backend& b, const Placed& p) {
    std::vector<const Element*> tokens;
    std::vector<float> weights;
    for (size_t i = 1; i <= static_cast<size_t>(count); ++i) {
      tokens.push_back(p.e(i));
      weights.push_back(0.1f * static_cast<float>(i));
    }
    b.takePatches(p.e(0), tokens.data(), weights.data(), count, s.images, s.tokens(), s.patches, s.dim);
  };
  if (count > 8) c.tolerance.bf16 *= 2;  // rounded twice
  return c;
}

using Members = std::vector<std::vector<int64_t>>;

/// Of `count` tensors the means, and those of groups, in which a member may come several times.
Case means(const Shape& s, int64_t count, const Members& groups) {
  const auto groupCount = static_cast<int64_t>(groups.size());
  std::vector<float> weights;
  int64_t members = 0;
  for (const std::vector<int64_t>& group : groups) {
    std::vector<float> ofGroup(static_cast<size_t>(count));
    for (const int64_t i : group) ofGroup[static_cast<size_t>(i)] += 1 / static_cast<float>(group.size());
    weights.insert(weights.end(), ofGroup.begin(), ofGroup.end());
    members += static_cast<int64_t>(group.size());
  }
  Case c = base("groupMeans", s.text() + ", of " + std::to_string(count) + ", groups " + std::to_string(groupCount),
                {activations(Access::write, s.all())}, s.ofPatches(), 2.0 * static_cast<double>(members));
  c.flops += 2.0 * static_cast<double>(count * s.all());
  for (int64_t g = 0; g < groupCount; ++g) c.operands.push_back(activations(Access::write, s.ofPatches()));
  for (int64_t i = 0; i < count; ++i) c.operands.push_back(activations(Access::read, s.all()));
  c.run = [=](Backend& b, const Placed& p) {
    std::vector<Element*> ys;
    std::vector<const Element*> tokens;
    size_t next = 1;
    for (int64_t g = 0; g < groupCount; ++g) ys.push_back(p.e(next++));
    for (int64_t i = 0; i < count; ++i) tokens.push_back(p.e(next++));
    b.groupMeans(p.e(0), ys.data(), weights.data(), groupCount, tokens.data(), count, s.images, s.tokens(), s.patches,
                 s.dim);
  };
  c.source = "group_means.cu";
  if (count > 8) c.tolerance.bf16 *= 2;  // rounded twice
  return c;
}

Case put(const Shape& s) {
  Case c = base("putPatches", s.text(),
                {activations(Access::update, s.all()), activations(Access::read, s.ofPatches())}, s.ofPatches(), 2);
  c.run = [=](Backend& b, const Placed& p) {
    b.putPatches(p.e(0), p.e(1), 0.25f, s.images, s.tokens(), s.patches, s.dim);
  };
  return c;
}

}  // namespace

Cases tokenCases() {
  Cases all = {fromPixels(2, 28, 42), fromTensor(2, 28, 42), fromPixels(1, 14, 14), fromTensor(3, 56, 28)};
  for (const Shape& s : {Shape{3, 20, 0, 33}, {3, 20, 4, 33}, {1, 1, 4, 128}, {1, 400, 4, 64}}) {
    all.push_back(embedding(s));
    for (int64_t count : {1, 4, 8, 9}) all.push_back(take(s, count));
    all.push_back(means(s, 1, {{0}}));
    all.push_back(means(s, 3, {{0, 2, 0}, {1}, {0, 1, 2}}));
    all.push_back(means(s, 8, {{0, 1, 2, 3}, {4, 5, 6, 7}}));
    all.push_back(put(s));
  }
  const Shape small{2, 5, 1, 24};
  all.push_back(means(small, 8, Members(8, {7, 3, 3})));
  all.push_back(means(small, 8, Members(9, {7, 3, 3})));
  all.push_back(means(small, 9, {{0, 8}, {4}}));
  all.push_back(means(small, 2, {}));
  return all;
}

Cases tokenCases(const Network& n) {
  const Shape s{n.images, n.patches(), 4, n.dim};
  Members groups(static_cast<size_t>(n.groups));  // of the encoder's targets; the decoder's blocks are taken
  for (int64_t i = 0; i < n.targets; ++i) groups[static_cast<size_t>(i * n.groups / n.targets)].push_back(i);
  return {scored(1, fromPixels(n.images, n.side, n.side)), scored(1, embedding(s)),
          scored(1, means(s, n.targets, groups)), scored(n.groups, take(s, n.targets / n.groups)), put(s)};
}

}  // namespace dinomaly::table
