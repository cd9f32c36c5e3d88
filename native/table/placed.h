// A case's operands in a backend's memory, each between guard bytes that no operation may touch.
#pragma once

#include <memory>

#include "backend/backend.h"
#include "table/operand.h"

namespace dinomaly::table {

class Placed {
 public:
  /// values: one vector for each operand.
  Placed(Backend& backend, const std::vector<Operand>& operands, const Values& values);

  Element* e(size_t i) const { return static_cast<Element*>(at(i)); }
  float* f(size_t i) const { return static_cast<float*>(at(i)); }
  const uint8_t* bytes(size_t i) const { return static_cast<const uint8_t*>(at(i)); }

  /// What they hold now. Throws std::runtime_error where a guard was touched.
  Values values() const;
  /// Waits for what was asked for.
  void wait() const;

 private:
  void* at(size_t i) const { return static_cast<char*>(blocks_[i].get()) + kGuard; }
  int64_t bytesOf(const Operand& operand) const;
  void put(const Operand& operand, size_t i, const std::vector<float>& values);
  std::vector<float> take(const Operand& operand, size_t i) const;
  void checkGuards(size_t i) const;

  static constexpr int64_t kGuard = 64;
  Backend& backend_;
  std::vector<Operand> operands_;
  std::vector<std::shared_ptr<void>> blocks_;
};

using Operation = std::function<void(Backend&, const Placed&)>;

}  // namespace dinomaly::table
