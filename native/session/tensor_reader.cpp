#include "session/tensor_reader.h"

#include <fcntl.h>

#include <algorithm>

#include "core/error.h"
#include "session/half.h"

namespace dinomaly {
namespace {

constexpr int64_t kChunk = int64_t{1} << 18;  // numbers that are widened at a time

int64_t bytesPerNumber(StoredType type) {
  return type == StoredType::f32 ? 4 : 2;
}

void readExactly(const FileDescriptor& file, const std::string& path, int64_t offset, void* to, int64_t size) {
  char* next = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t got = pread(file.get(), next, static_cast<size_t>(size), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      throw Error("ERR_FILE_FORMAT",
                  "'" + path + "' could not be read at byte " + std::to_string(offset) + ": " + errnoText() + ".");
    }
    if (got == 0) {
      throw Error("ERR_FILE_FORMAT", "'" + path + "' is truncated: expected " + std::to_string(size) +
                                         " more bytes, found its end at byte " + std::to_string(offset) + ".");
    }
    next += got;
    offset += got;
    size -= got;
  }
}

void readPart(const FileDescriptor& file, const TensorPart& part, float* to) {
  if (part.type == StoredType::f32) return readExactly(file, part.path, part.offset, to, part.byteLength);
  const auto widen = part.type == StoredType::f16 ? float16ToFloat : bfloat16ToFloat;
  std::vector<uint16_t> stored(static_cast<size_t>(std::min(kChunk, part.byteLength / 2)));
  for (int64_t done = 0, count = part.byteLength / 2; done < count;) {
    const int64_t now = std::min(kChunk, count - done);
    readExactly(file, part.path, part.offset + done * 2, stored.data(), now * 2);
    std::transform(stored.begin(), stored.begin() + now, to + done, widen);
    done += now;
  }
}

/// How many numbers the parts hold; throws unless that is what the shape says.
int64_t sizeOf(const TensorSource& source) {
  int64_t expected = 1, found = 0;
  bool sound = true;
  for (const int64_t side : source.shape) sound &= side >= 0 && !__builtin_mul_overflow(expected, side, &expected);
  for (const TensorPart& part : source.parts) {
    sound &= part.offset >= 0 && part.byteLength >= 0 && part.byteLength % bytesPerNumber(part.type) == 0 &&
             !__builtin_add_overflow(found, part.byteLength / bytesPerNumber(part.type), &found);
  }
  if (!sound || expected != found) {
    throw Error("ERR_FILE_FORMAT", "Tensor '" + source.name + "': expected " + std::to_string(expected) +
                                       " numbers from its shape, found " + std::to_string(found) + " in its parts.");
  }
  return expected;
}

}  // namespace

const std::vector<float>& TensorReader::read(const TensorSource& source) {
  values_.resize(static_cast<size_t>(sizeOf(source)));
  float* to = values_.data();
  for (const TensorPart& part : source.parts) {
    readPart(open(part.path), part, to);
    to += part.byteLength / bytesPerNumber(part.type);
  }
  return values_;
}

const FileDescriptor& TensorReader::open(const std::string& path) {
  FileDescriptor& file = files_[path];
  if (!file) file = FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) throw Error("ERR_FILE_NOT_FOUND", "'" + path + "' could not be opened: " + errnoText() + ".");
  return file;
}

}  // namespace dinomaly
