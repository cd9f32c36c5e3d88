// What the program does; the driver, scripts/gpu-check, compares and judges.
#pragma once

#include "check/flags.h"

namespace dinomaly::check {

/// Every tensor between pictures and scores.
void forward(const Flags& flags);
/// Maps and scores of many pictures, --batch at a time.
void score(const Flags& flags);
/// A training run: losses and gradient norms, and what was trained.
void train(const Flags& flags);
/// Times what standard input asks for, line by line.
void bench(const Flags& flags);

}  // namespace dinomaly::check
