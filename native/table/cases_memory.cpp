// Memory, and conversion between floats and the backend's activations.
#include <numeric>

#include "table/cases.h"

namespace dinomaly::table {
namespace {

constexpr Tolerance kExact{0, 0, 0, 0};

/// Pieces of these sizes, one behind the other, which come to lie in the opposite order.
Case copiesOf(const std::string& shape, const std::vector<int64_t>& sizes) {
  const int64_t all = std::accumulate(sizes.begin(), sizes.end(), int64_t{0});
  Case c{"copyEach", shape, {activations(Access::write, all), activations(Access::read, all)}};
  c.run = [sizes, all](Backend& b, const Placed& p) {
    const Activations nobody;
    const Activations to(nobody, p.e(0)), from(nobody, p.e(1));
    std::vector<Copy> copies;
    int64_t begin = 0;
    for (const int64_t size : sizes) {
      copies.push_back({b.at(to, begin), b.at(from, all - begin - size), size});
      begin += size;
    }
    b.copyEach(copies.data(), static_cast<int64_t>(copies.size()));
  };
  c.tolerance = kExact;
  c.source = "copies.cu";
  return c;
}

Cases casesOf(int64_t size) {
  const std::string shape = shapeText(size);
  return {
      {"upload and download",
       shape,
       {activations(Access::read, size), floats(Access::read, size), pixels(size)},
       [](Backend&, const Placed&) {},
       kExact},
      {"uploadEach",
       shape,
       {floats(Access::update, 3 * size)},
       [size](Backend& b, const Placed& p) {
         std::vector<float> host(static_cast<size_t>(3 * size));
         b.download(host.data(), p.f(0), 3 * size);
         const std::vector<const void*> each{host.data() + 2 * size, host.data(), host.data() + size};
         b.uploadEach(p.f(0), each.data(), 3, size * static_cast<int64_t>(sizeof(float)));
       },
       kExact},
      {"zero",
       shape,
       {activations(Access::write, size), floats(Access::write, size)},
       [size](Backend& b, const Placed& p) {
         b.zero(p.e(0), size);
         b.zero(p.f(1), size);
       },
       kExact},
      {"copy",
       shape,
       {activations(Access::update, 3 * size), activations(Access::read, size)},
       [size](Backend& b, const Placed& p) {
         const Activations middle = b.allocateActivations(2 * size);
         b.copy(b.at(middle, size), p.e(1), size);
         b.copy(p.e(0), b.at(middle, size), size);
       },
       kExact},
      {"startDownload and finishDownload",
       shape,
       {floats(Access::write, size), floats(Access::update, size)},
       [size](Backend& b, const Placed& p) {
         const std::shared_ptr<void> download = b.startDownload(p.f(1), size * static_cast<int64_t>(sizeof(float)));
         b.upload(p.f(0), static_cast<const float*>(b.finishDownload(download)), size);
         b.zero(p.f(1), size);
       },
       kExact},
      {"toElements and fromElements",
       shape,
       {activations(Access::write, size), floats(Access::write, size), activations(Access::read, size),
        floats(Access::read, size)},
       [size](Backend& b, const Placed& p) {
         b.toElements(p.e(0), p.f(3), size);
         b.fromElements(p.f(1), p.e(2), size);
       },
       {0}},  // in bf16 cutting bits off would be too much
  };
}

}  // namespace

Cases memoryCases() {
  Cases all;
  for (int64_t size : {1, 7, 20011}) {
    for (Case& c : casesOf(size)) all.push_back(std::move(c));
    all.push_back(copiesOf("3 to " + shapeText(size), {size, 3, size}));
  }
  all.push_back(copiesOf("none", {}));
  all.push_back(copiesOf("whole packs, 0 to 20000", {8, 20000, 0, 4096, 16}));
  std::vector<int64_t> many;
  for (int64_t i = 0; i < 300; ++i) many.push_back(8 + i % 5 * 8);
  all.push_back(copiesOf("300", many));
  return all;
}

Cases memoryCases(const Network& n) {
  std::vector<int64_t> pieces(static_cast<size_t>(n.groups * n.images), n.patches() * n.dim);
  pieces.resize(pieces.size() + static_cast<size_t>(n.images), n.tokens() * n.dim);
  return {copiesOf("features of " + shapeText(n.images, n.tokens(), n.dim), pieces)};
}

}  // namespace dinomaly::table
