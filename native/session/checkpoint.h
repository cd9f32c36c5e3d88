// The network's parameters and the optimiser's state, into a file and out of files.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/cancel.h"
#include "model/dinomaly.h"
#include "session/tensor_reader.h"

namespace dinomaly {

/// Writes all parameters, and with `optimizer` the optimiser's state, as F32 to a safetensors file, atomically.
/// Throws ERR_IO.
void saveCheckpoint(const Dinomaly& network, const std::string& path,
                    const std::map<std::string, std::string>& metadata, bool optimizer, const CancelToken& cancel);

/// Sets the parameters and optimiser tensors that `sources` name. Throws ERR_WEIGHTS_MISMATCH when the network has no
/// such tensor or one of another shape, else as TensorReader::read; what was read before the error stays set.
void loadTensors(Dinomaly& network, const std::vector<TensorSource>& sources, const CancelToken& cancel);

}  // namespace dinomaly
