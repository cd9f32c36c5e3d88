#include "backend/cpu/int8_product.h"

#include <omp.h>

#include <map>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <tuple>

#include "backend/backend.h"
#include "core/error.h"

namespace dinomaly {
namespace {

using Desc = dnnl::memory::desc;
using Type = dnnl::memory::data_type;
using Tag = dnnl::memory::format_tag;

constexpr int64_t kUsualRows = 72;  // for which the library chooses the order of the right side

/// What each thread has of the library.
struct Library {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  std::unique_ptr<dnnl::memory> workSpace;

  Library() { omp_set_num_threads(1); }  // it has OpenMP threads of its own; each of ours asks that it use none of them

  void* workSpaceOf(size_t bytes) {
    if (!workSpace || workSpace->get_desc().get_size() < bytes) {
      const Desc desc({static_cast<int64_t>(bytes)}, Type::u8, Tag::a);
      workSpace = std::make_unique<dnnl::memory>(desc, engine);
    }
    return workSpace->get_data_handle();
  }
};

Library& library() {
  thread_local Library instance;
  return instance;
}

dnnl::matmul::primitive_desc productOf(const Desc& right, int64_t m, int64_t n, int64_t k) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return {{Desc({m, k}, Type::u8, Tag::ab), right, Desc({m, n}, Type::s32, Tag::ab)}, attributes, library().engine};
}

Desc packedDesc(int64_t k, int64_t n) {
  return productOf(Desc({k, n}, Type::s8, Tag::any), kUsualRows, n, k).weights_desc();
}

/// A product, ready to be repeated on other addresses.
class Product {
 public:
  Product(int64_t m, int64_t n, int64_t k) : Product(productOf(packedDesc(k, n), m, n, k)) {}

  void run(int32_t* sums, const uint8_t* left, const int8_t* right) {
    left_.set_data_handle(const_cast<uint8_t*>(left));  // which the library only reads, as right
    right_.set_data_handle(const_cast<int8_t*>(right));
    sums_.set_data_handle(sums);
    workSpace_.set_data_handle(library().workSpaceOf(workSpace_.get_desc().get_size()));
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, left_.get()},
                                         {DNNL_ARG_WEIGHTS, right_.get()},
                                         {DNNL_ARG_DST, sums_.get()},
                                         {DNNL_ARG_SCRATCHPAD, workSpace_.get()}};
    // The C function, since C++'s makes a map and a vector in each call.
    dnnl::error::wrap_c_api(dnnl_primitive_execute(product_.get(), library().stream.get(), 4, arguments),
                            "could not execute a product of bytes");
  }

 private:
  explicit Product(const dnnl::matmul::primitive_desc& desc)
      : product_(desc),
        left_(desc.src_desc(), library().engine, nullptr),
        right_(desc.weights_desc(), library().engine, nullptr),
        sums_(desc.dst_desc(), library().engine, nullptr),
        workSpace_(desc.scratchpad_desc(), library().engine, nullptr) {}

  dnnl::matmul product_;
  dnnl::memory left_, right_, sums_, workSpace_;
};

template <typename Call>
auto checked(const Call& call) {
  try {
    return call();
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_out_of_memory) {
      throw Error("ERR_OUT_OF_MEMORY", "expected memory for the matrix library's work space, found none");
    }
    throw Error("ERR_INTERNAL", std::string("oneDNN refused a product of bytes: ") + error.what());
  }
}

}  // namespace

ByteLevels byteLevels() {
  constexpr unsigned kVnni = dnnl_cpu_isa_avx512_core_vnni;
  if ((static_cast<unsigned>(dnnl_get_effective_cpu_isa()) & kVnni) == kVnni) return {255, 127};
  return {181, 90};
}

int64_t packedBytes(int64_t k, int64_t n) {
  return checked([&] { return static_cast<int64_t>(packedDesc(k, n).get_size()); });
}

void packBytes(int8_t* packed, const int8_t* columns, int64_t k, int64_t n) {
  checked([&] {
    Library& mine = library();
    dnnl::memory from(Desc({k, n}, Type::s8, Tag::ba), mine.engine, const_cast<int8_t*>(columns));
    dnnl::memory to(packedDesc(k, n), mine.engine, packed);
    dnnl::reorder(from, to).execute(mine.stream, from, to);
  });
}

void multiplyBytes(int32_t* sums, const uint8_t* left, const int8_t* packed, int64_t m, int64_t n, int64_t k) {
  checked([&] {
    thread_local std::map<std::tuple<int64_t, int64_t, int64_t>, Product> products;
    const auto found = products.try_emplace({m, n, k}, m, n, k).first;
    found->second.run(sums, left, packed);
  });
}

std::string oneDnnVersion() {
  const dnnl_version_t* v = dnnl_version();
  return std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
}

}  // namespace dinomaly
