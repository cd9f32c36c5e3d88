// Memory, and conversion between floats and the backend's activations.
#include "table/cases.h"

namespace dinomaly::table {
namespace {

constexpr Tolerance kExact{0, 0, 0, 0};

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
  }
  return all;
}

}  // namespace dinomaly::table
