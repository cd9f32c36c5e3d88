#include "table/cuda_order.h"

#if !defined(__CUDACC__)
#include "backend/cuda/emulated/grid.h"
#endif

namespace dinomaly::table {

#if defined(__CUDACC__)

std::vector<Variation> cudaOrders(const std::function<std::unique_ptr<Backend>()>& make) {
  return {{"once more", [make](const Work& work) { work(*make()); }}};
}

#else

namespace {

Variation inOrder(const std::string& name, emulated::Order order,
                  const std::function<std::unique_ptr<Backend>()>& make) {
  return {name, [order, make](const Work& work) {
            emulated::setOrder(order);
            try {
              work(*make());
            } catch (...) {
              emulated::setOrder(emulated::Order::forward);
              throw;
            }
            emulated::setOrder(emulated::Order::forward);
          }};
}

}  // namespace

std::vector<Variation> cudaOrders(const std::function<std::unique_ptr<Backend>()>& make) {
  return {inOrder("with threads in backward order", emulated::Order::backward, make),
          inOrder("with threads in shuffled order", emulated::Order::shuffled, make)};
}

#endif

}  // namespace dinomaly::table
