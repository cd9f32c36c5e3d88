// The golden tiny network, with the weights of test/golden/tiny/dinomaly.pth.
#pragma once

#include <memory>

#include "model/dinomaly.h"
#include "safetensors_reader.h"

namespace dinomaly {

std::unique_ptr<Dinomaly> tinyModel(std::vector<std::vector<int64_t>> groups, float dropout = 0, int threads = 2);
std::unique_ptr<Dinomaly> tinyModel(std::vector<std::vector<int64_t>> groups, float dropout,
                                    std::unique_ptr<Backend> backend);

}  // namespace dinomaly
