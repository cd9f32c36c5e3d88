// The pictures that a command gets.
#pragma once

#include <cstdint>
#include <vector>

#include "check/flags.h"
#include "model/images.h"

namespace dinomaly::check {

class Pictures {
 public:
  /// --side, and RGB bytes one picture after the other in the file --pixels, or the tensor (n,3,side,side),
  /// normalised, that is the only one of the index --tensor. Throws ERR_FILE_NOT_FOUND, ERR_FILE_FORMAT.
  explicit Pictures(const Flags& flags);
  /// `count` of them with pixels that follow from their place alone.
  Pictures(int64_t count, int64_t side);

  int64_t count() const { return count_; }
  int64_t side() const { return side_; }
  Images all() const;
  /// Where each of those with pixels begins.
  std::vector<const uint8_t*> pixels() const;
  /// Those that `order` numbers; valid until the next call.
  Images take(const std::vector<int64_t>& order);

 private:
  int64_t count_, side_;
  std::vector<uint8_t> pixels_, takenPixels_;
  std::vector<float> tensor_, takenTensor_;  // one of the two is empty
};

}  // namespace dinomaly::check
