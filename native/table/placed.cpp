#include "table/placed.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace dinomaly::table {
namespace {

constexpr unsigned char kMark = 0xA5;

}  // namespace

Placed::Placed(Backend& backend, const std::vector<Operand>& operands, const Values& values)
    : backend_(backend), operands_(operands) {
  for (size_t i = 0; i < operands_.size(); ++i) {
    const int64_t size = bytesOf(operands_[i]) + 2 * kGuard;
    blocks_.push_back(backend_.allocateBytes(size));
    const std::vector<unsigned char> marks(static_cast<size_t>(size), kMark);
    backend_.uploadBytes(blocks_[i].get(), marks.data(), size);
    put(operands_[i], i, values[i]);
  }
  backend_.parametersChanged();
}

int64_t Placed::bytesOf(const Operand& operand) const {
  switch (operand.kind) {
    case Kind::activations:
      return operand.size * backend_.elementBytes();
    case Kind::pixels:
      return operand.size;
    default:
      return operand.size * static_cast<int64_t>(sizeof(float));
  }
}

void Placed::put(const Operand& operand, size_t i, const std::vector<float>& values) {
  if (operand.size == 0) return;
  if (operand.kind == Kind::activations) {
    const Buffer converted = backend_.allocate(operand.size);
    backend_.upload(converted.get(), values.data(), operand.size);
    backend_.toElements(e(i), converted.get(), operand.size);
  } else if (operand.kind == Kind::weight) {
    backend_.uploadWeight(f(i), values.data(), operand.in, operand.size / operand.in);
  } else if (operand.kind == Kind::pixels) {
    const std::vector<uint8_t> converted(values.begin(), values.end());
    backend_.uploadBytes(at(i), converted.data(), operand.size);
  } else {
    backend_.upload(f(i), values.data(), operand.size);
  }
}

std::vector<float> Placed::take(const Operand& operand, size_t i) const {
  std::vector<float> values(static_cast<size_t>(operand.size));
  if (operand.size == 0) return values;
  if (operand.kind == Kind::activations) {
    backend_.download(values.data(), e(i), operand.size);
  } else if (operand.kind == Kind::weight) {
    backend_.downloadWeight(values.data(), f(i), operand.in, operand.size / operand.in);
  } else if (operand.kind == Kind::pixels) {
    std::vector<uint8_t> bytes(values.size());
    backend_.downloadBytes(bytes.data(), at(i), operand.size);
    std::copy(bytes.begin(), bytes.end(), values.begin());
  } else {
    backend_.download(values.data(), f(i), operand.size);
  }
  return values;
}

void Placed::checkGuards(size_t i) const {
  unsigned char guard[kGuard];
  char* const end = static_cast<char*>(at(i)) + bytesOf(operands_[i]);
  for (void* const side : {blocks_[i].get(), static_cast<void*>(end)}) {
    backend_.downloadBytes(guard, side, kGuard);
    if (std::all_of(guard, guard + kGuard, [](unsigned char c) { return c == kMark; })) continue;
    throw std::runtime_error("wrote " + std::string(side == end ? "behind" : "before") + " operand " +
                             std::to_string(i));
  }
}

Values Placed::values() const {
  Values values;
  for (size_t i = 0; i < operands_.size(); ++i) {
    checkGuards(i);
    values.push_back(take(operands_[i], i));
  }
  return values;
}

void Placed::wait() const {
  unsigned char byte;
  backend_.downloadBytes(&byte, blocks_[0].get(), 1);
}

}  // namespace dinomaly::table
