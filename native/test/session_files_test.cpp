// Files: atomic writing, the safetensors head, reading tensors of every stored type.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "error_code.h"
#include "session/atomic_file.h"
#include "session/half.h"
#include "session/safetensors.h"
#include "session/tensor_reader.h"
#include "temporary_folder.h"

using namespace dinomaly;
namespace fs = std::filesystem;

namespace {

std::string contentOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void put(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

size_t entriesOf(const std::string& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

/// What `call` throws, as text.
template <typename Call>
std::string messageOf(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code() + ": " + error.what();
  }
  return "";
}

uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

}  // namespace

TEST_CASE("an atomic file appears when it is committed, and only then") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/model.safetensors";
  put(path, "old");
  {
    AtomicFile file(path);
    file.write("new", 3);
    CHECK(contentOf(path) == "old");
    CHECK(entriesOf(folder.path()) == 2);
  }
  CHECK(contentOf(path) == "old");
  CHECK(entriesOf(folder.path()) == 1);
  AtomicFile file(path);
  file.write("new", 3);
  file.commit();
  CHECK(contentOf(path) == "new");
  CHECK(entriesOf(folder.path()) == 1);
}

TEST_CASE("a file that cannot be made is an ERR_IO that names it and the reason") {
  const TemporaryFolder folder;
  const auto open = [](const std::string& path) { return messageOf([&] { AtomicFile file(path); }); };
  const std::string missing = folder.path() + "/missing/model.safetensors";
  CHECK(open(missing).find("ERR_IO: '" + missing + "'") == 0);
  CHECK(open(missing).find("No such file or directory") != std::string::npos);
  CHECK(open(folder.path()).find("found a folder or device") != std::string::npos);
  CHECK(open("/dev/null").find("found a folder or device") != std::string::npos);
  CHECK(open(folder.path() + "/" + std::string(250, 'x')).find("File name too long") != std::string::npos);
}

TEST_CASE("a write that fails half way leaves what was there, and no temporary file") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/model.safetensors", block(1 << 16, 'x');
  put(path, "old");
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small = {100000, before.rlim_max};
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string message = messageOf([&] {
    AtomicFile file(path);
    for (int i = 0; i < 2; ++i) file.write(block.data(), block.size());
    file.commit();
  });
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  CHECK(message.find("ERR_IO: '" + path + "'") == 0);
  CHECK(message.find("File too large") != std::string::npos);
  CHECK(contentOf(path) == "old");
  CHECK(entriesOf(folder.path()) == 1);
}

TEST_CASE("temporary files of dead writers are removed by the next save of the same target, others stay") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/a.safetensors";
  const pid_t killed = fork();
  if (killed == 0) {
    AtomicFile file(path);
    file.write("half", 4);
    kill(getpid(), SIGKILL);
  }
  waitpid(killed, nullptr, 0);
  const std::string pid = std::to_string(killed), own = std::to_string(getpid());
  const std::string left = folder.path() + "/.a.safetensors." + pid + "-" + pid + ".tmp";
  REQUIRE(fs::exists(left));

  const std::vector<std::string> others = {
      ".b.safetensors." + pid + "-" + pid + ".tmp",      // another target's
      ".a.safetensors." + pid + "-" + pid + ".tmp.old",  // not of this form
      ".a.safetensors.1-1.tmp",                          // its writer lives
      ".a.safetensors.x-" + pid + ".tmp",                // not of this form
  };
  for (const std::string& name : others) put(folder.path() + "/" + name, "x");
  // A process that was restarted in a container has the same number as the one that was killed.
  put(folder.path() + "/.a.safetensors." + own + "-" + own + ".tmp", "x");

  AtomicFile file(path);
  file.write("whole", 5);
  file.commit();
  CHECK(contentOf(path) == "whole");
  CHECK_FALSE(fs::exists(left));
  for (const std::string& name : others) CHECK(fs::exists(folder.path() + "/" + name));
  CHECK(entriesOf(folder.path()) == 1 + others.size());
}

TEST_CASE("the safetensors head is JSON, whatever its strings hold, and ends at a multiple of 8") {
  for (int length = 0; length < 9; ++length) {
    const std::string odd = "\"\\\n\t\x01\x1f/\xc3\xa4" + std::string(static_cast<size_t>(length), 'x');
    const std::string head =
        safetensorsHead({{"a", {2, 3}, true}, {"b", {}, false}, {odd, {4, 0}, true}}, {{odd, odd}});
    uint64_t size = 0;
    std::memcpy(&size, head.data(), sizeof(size));
    REQUIRE(size + 8 == head.size());
    CHECK(head.size() % 8 == 0);
    const auto json = nlohmann::json::parse(head.substr(8));
    CHECK(json.size() == 4);
    CHECK(json.at("__metadata__").at(odd) == odd);
    CHECK(json.at("a") == nlohmann::json({{"dtype", "F32"}, {"shape", {2, 3}}, {"data_offsets", {0, 24}}}));
    CHECK(json.at("b").at("shape") == nlohmann::json::array());
    CHECK(json.at("b").at("data_offsets") == nlohmann::json({24, 28}));
    CHECK(json.at(odd).at("data_offsets") == nlohmann::json({28, 28}));
  }
}

TEST_CASE("float16 widens exactly: every value, by its definition") {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = float16ToFloat(static_cast<uint16_t>(bits));
    const uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023;
    const float sign = bits & 0x8000 ? -1.0f : 1.0f;
    const bool right = exponent == 31 && fraction != 0 ? std::isnan(value)
                       : exponent == 31                ? value == sign * INFINITY
                       : exponent == 0                 ? value == sign * std::ldexp(static_cast<float>(fraction), -24)
                                       : value == sign * std::ldexp(1024.0f + static_cast<float>(fraction),
                                                                    static_cast<int>(exponent) - 25);
    if (!right || std::signbit(value) != (sign < 0)) FAIL_CHECK("float16 ", bits, " became ", value);
  }
  CHECK(bitsOf(float16ToFloat(0x7e01)) == 0x7fc02000);  // a NaN's fraction too
}

TEST_CASE("bfloat16 widens exactly") {
  CHECK(bfloat16ToFloat(0x3f80) == 1.0f);
  CHECK(bitsOf(bfloat16ToFloat(0x8000)) == 0x80000000);
  CHECK(bitsOf(bfloat16ToFloat(0x0001)) == 0x00010000);  // denormal
  CHECK(bitsOf(bfloat16ToFloat(0xff80)) == 0xff800000);  // -infinity
  CHECK(bitsOf(bfloat16ToFloat(0x7fc1)) == 0x7fc10000);  // NaN
}

TEST_CASE("parts of all stored types are joined to one tensor") {
  const TemporaryFolder folder;
  const std::string one = folder.path() + "/one", two = folder.path() + "/two";
  const float f32[] = {1.5f, -2.5f};
  const uint16_t f16[] = {0x3c00, 0xc000}, bf16[] = {0x4040, 0x4080};
  put(one,
      "head" + std::string(reinterpret_cast<const char*>(f32), 8) + std::string(reinterpret_cast<const char*>(f16), 4));
  put(two, std::string(reinterpret_cast<const char*>(bf16), 4));
  TensorReader reader;
  const TensorSource source = {
      "x", {3, 2}, {{one, 12, 4, StoredType::f16}, {two, 0, 4, StoredType::bf16}, {one, 4, 8, StoredType::f32}}};
  CHECK(reader.read(source) == std::vector<float>{1, -2, 3, 4, 1.5f, -2.5f});
}

TEST_CASE("many float16 numbers, more than are widened at a time") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/many";
  std::vector<uint16_t> stored(600001);
  for (size_t i = 0; i < stored.size(); ++i) stored[i] = static_cast<uint16_t>(i % 0x7c00);
  put(path, std::string(reinterpret_cast<const char*>(stored.data()), stored.size() * 2));
  TensorReader reader;
  const auto size = static_cast<int64_t>(stored.size());
  const std::vector<float> values = reader.read({"x", {size}, {{path, 0, 2 * size, StoredType::f16}}});
  for (size_t i = 0; i < stored.size(); ++i) {
    if (values[i] != float16ToFloat(stored[i])) FAIL_CHECK("number ", i, " is ", values[i]);
  }
}

TEST_CASE("files that are not what they were said to be are errors") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/short";
  put(path, std::string(10, 'x'));
  TensorReader reader;
  const auto code = [&](std::vector<int64_t> shape, const TensorPart& part) {
    return errorCode([&] { reader.read({"x", std::move(shape), {part}}); });
  };
  CHECK(code({2}, {path, 0, 8, StoredType::f32}) == "");
  CHECK(code({2}, {path, 4, 8, StoredType::f32}) == "ERR_FILE_FORMAT");   // truncated
  CHECK(code({2}, {path, 99, 8, StoredType::f32}) == "ERR_FILE_FORMAT");  // starts after the end
  CHECK(code({4}, {path, 4, 8, StoredType::f16}) == "ERR_FILE_FORMAT");
  CHECK(code({3}, {path, 0, 8, StoredType::f32}) == "ERR_FILE_FORMAT");  // another number than the shape's
  CHECK(code({1}, {path, 0, 7, StoredType::f32}) == "ERR_FILE_FORMAT");
  CHECK(code({1}, {path, -4, 4, StoredType::f32}) == "ERR_FILE_FORMAT");
  CHECK(code({int64_t{1} << 62, 4}, {path, 0, 0, StoredType::f32}) == "ERR_FILE_FORMAT");  // product overflows to 0
  CHECK(code({2}, {folder.path() + "/missing", 0, 8, StoredType::f32}) == "ERR_FILE_NOT_FOUND");
  CHECK(code({2}, {folder.path(), 0, 8, StoredType::f32}) == "ERR_FILE_FORMAT");  // a folder opens but cannot be read
}
