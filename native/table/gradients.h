// Backward passes, each with the forward pass that it is the gradient of.
#pragma once

#include "table/placed.h"

namespace dinomaly::table {

struct Gradient {
  std::string operation;
  std::vector<Operand> inputs;  // all are differentiated by
  std::vector<float> weights;   // the gradient of what is differentiated by the forward pass's result
  std::function<std::vector<float>(Backend&, const Values& inputs)> forward;
  std::function<Values(Backend&, const Values& inputs)> backward;  // a gradient for each input
  bool products = false;
};

std::vector<Gradient> gradients();

}  // namespace dinomaly::table
