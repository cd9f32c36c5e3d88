#include "bench/stopwatch.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>

namespace dinomaly::bench {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

/// An arrangement that was so much slower than the best at first is not tried again.
constexpr double kHopeless = 1.15;

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

/// Memory filled with ones, which are neither denormal nor ever overflow.
memory ones(const memory::desc& desc) {
  memory x(desc, engine());
  std::fill_n(static_cast<float*>(x.get_data_handle()), desc.get_size() / sizeof(float), 1.0f);
  return x;
}

/// The library's product with its right side in the order of `tag`; any: as the library wants it.
std::function<void()> matmul(const Product& p, Tag left, Tag right, Tag result) {
  const bool single = p.matrices == 1;
  const auto desc = [&](int64_t rows, int64_t columns, Tag tag) {
    const memory::dims dims = single ? memory::dims{rows, columns} : memory::dims{p.matrices, rows, columns};
    return memory::desc(dims, memory::data_type::f32, tag);
  };
  const dnnl::matmul::desc wanted(desc(p.m, p.k, left), desc(p.k, p.n, right), desc(p.m, p.n, result));
  const dnnl::matmul::primitive_desc chosen(wanted, engine());
  const std::unordered_map<int, memory> operands = {{DNNL_ARG_SRC, ones(chosen.src_desc())},
                                                    {DNNL_ARG_WEIGHTS, ones(chosen.weights_desc())},
                                                    {DNNL_ARG_DST, ones(chosen.dst_desc())}};
  return [primitive = dnnl::matmul(chosen), operands, stream = dnnl::stream(engine())]() mutable {
    primitive.execute(stream, operands);
    stream.wait();
  };
}

/// The library's BLAS-like product, matrix after matrix.
std::function<void()> sgemm(const Product& p) {
  const auto values = [&](int64_t size) { return std::make_shared<std::vector<float>>(p.matrices * size, 1.0f); };
  const auto a = values(p.m * p.k), b = values(p.k * p.n), c = values(p.m * p.n);
  return [=] {
    for (int64_t i = 0; i < p.matrices; ++i) {
      dnnl::sgemm('N', 'N', p.m, p.n, p.k, 1, a->data() + i * p.m * p.k, p.k, b->data() + i * p.k * p.n, p.n, 0,
                  c->data() + i * p.m * p.n, p.n);
    }
  };
}

double timed(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

Stopwatch::Stopwatch(const Product& p) {
  if (p.weights) {
    for (const Tag right : {Tag::any, Tag::ab, Tag::ba}) {
      arrangements_.push_back({matmul(p, Tag::ab, right, Tag::ab)});
    }
  } else {
    for (const Tag left : {Tag::abc, Tag::acb}) {
      for (const Tag right : {Tag::abc, Tag::acb}) arrangements_.push_back({matmul(p, left, right, Tag::abc)});
    }
  }
  arrangements_.push_back({sgemm(p)});
  for (Arrangement& a : arrangements_) {
    a.multiply();  // what the library compiles or allocates
    for (int i = 0; i < 2; ++i) a.best = std::min(a.best, timed(a.multiply));
  }
  const auto faster = [](const Arrangement& a, const Arrangement& b) { return a.best < b.best; };
  const double best = std::min_element(arrangements_.begin(), arrangements_.end(), faster)->best;
  const auto hopeless = [&](const Arrangement& a) { return a.best > kHopeless * best; };
  arrangements_.erase(std::remove_if(arrangements_.begin(), arrangements_.end(), hopeless), arrangements_.end());
}

double Stopwatch::seconds(int64_t repetitions) {
  double best = std::numeric_limits<double>::infinity();
  for (const Arrangement& a : arrangements_) {
    for (int64_t i = 0; i < repetitions; ++i) best = std::min(best, timed(a.multiply));
  }
  return best;
}

}  // namespace dinomaly::bench
