#include "addon/values.h"

#include <cmath>
#include <cstdio>

#include "core/error.h"

namespace dinomaly {
namespace {

std::string numberText(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.15g", value);
  return text;
}

std::string describe(const Napi::Value& value) {
  if (value.IsArray()) return "an array of " + std::to_string(value.As<Napi::Array>().Length());
  if (value.IsTypedArray()) {
    const auto array = value.As<Napi::TypedArray>();
    const char* const kinds[] = {"Int8Array",    "Uint8Array",    "Uint8ClampedArray", "Int16Array",
                                 "Uint16Array",  "Int32Array",    "Uint32Array",       "Float32Array",
                                 "Float64Array", "BigInt64Array", "BigUint64Array"};
    const auto kind = static_cast<size_t>(array.TypedArrayType());
    const char* const name = kind < std::size(kinds) ? kinds[kind] : "typed array";
    return std::string(name) + " of " + std::to_string(array.ElementLength());
  }
  switch (value.Type()) {
    case napi_undefined:
      return "undefined";
    case napi_null:
      return "null";
    case napi_boolean:
      return value.As<Napi::Boolean>().Value() ? "true" : "false";
    case napi_number:
      return numberText(value.As<Napi::Number>().DoubleValue());
    case napi_string:
      return "a string";
    case napi_symbol:
      return "a symbol";
    case napi_function:
      return "a function";
    case napi_bigint:
      return "a bigint";
    default:
      return "an object";
  }
}

[[noreturn]] void fail(const std::string& name, const std::string& expected, const Napi::Value& found) {
  throw Error("ERR_INVALID_ARGUMENT", "'" + name + "': expected " + expected + ", found " + describe(found) + ".");
}

template <typename Array>
Array toTypedArray(const Napi::Value& value, const std::string& name, napi_typedarray_type type, const char* expected) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) fail(name, expected, value);
  return value.As<Array>();
}

}  // namespace

int64_t toInteger(Napi::Value value, const std::string& name, int64_t least, int64_t most) {
  const std::string expected = "an integer from " + std::to_string(least) + " to " + std::to_string(most);
  if (!value.IsNumber()) fail(name, expected, value);
  const double number = value.As<Napi::Number>().DoubleValue();
  const bool whole = std::isfinite(number) && std::floor(number) == number;
  if (!whole || number < static_cast<double>(least) || number > static_cast<double>(most)) fail(name, expected, value);
  return static_cast<int64_t>(number);
}

double toNumber(Napi::Value value, const std::string& name, double least, double most) {
  const bool bounded = least > std::numeric_limits<double>::lowest() || most < std::numeric_limits<double>::max();
  const std::string expected =
      bounded ? "a number from " + numberText(least) + " to " + numberText(most) : "a finite number";
  if (!value.IsNumber()) fail(name, expected, value);
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= least && number <= most)) fail(name, expected, value);
  return number;
}

bool toBoolean(Napi::Value value, const std::string& name) {
  if (!value.IsBoolean()) fail(name, "true or false", value);
  return value.As<Napi::Boolean>().Value();
}

std::string toString(Napi::Value value, const std::string& name) {
  if (!value.IsString()) fail(name, "a string", value);
  return value.As<Napi::String>().Utf8Value();
}

std::string toPath(Napi::Value value, const std::string& name) {
  std::string path = toString(value, name);
  if (path.empty() || path.find('\0') != std::string::npos) fail(name, "a path, not empty and without NUL", value);
  return path;
}

Napi::Object toObject(Napi::Value value, const std::string& name) {
  if (!value.IsObject()) fail(name, "an object", value);
  return value.As<Napi::Object>();
}

Napi::Array toArray(Napi::Value value, const std::string& name, uint32_t most) {
  if (!value.IsArray() || value.As<Napi::Array>().Length() > most) {
    fail(name, "an array of at most " + std::to_string(most), value);
  }
  return value.As<Napi::Array>();
}

std::vector<int64_t> toIntegers(Napi::Value value, const std::string& name, int64_t least, uint32_t mostElements) {
  const Napi::Array array = toArray(value, name, mostElements);
  std::vector<int64_t> integers;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    integers.push_back(toInteger(array[i], name + "[" + std::to_string(i) + "]", least, kLargestInteger));
  }
  return integers;
}

std::map<std::string, std::string> toStringMap(Napi::Value value, const std::string& name) {
  const Napi::Object object = toObject(value, name);
  const Napi::Array keys = object.GetPropertyNames();
  std::map<std::string, std::string> map;
  for (uint32_t i = 0; i < keys.Length(); ++i) {
    const Napi::Value key = keys[i];
    std::string text = key.ToString().Utf8Value();
    std::string entry = toString(object.Get(key), name + "." + text);
    map[std::move(text)] = std::move(entry);
  }
  return map;
}

Napi::Uint8Array toUint8Array(Napi::Value value, const std::string& name) {
  return toTypedArray<Napi::Uint8Array>(value, name, napi_uint8_array, "a Uint8Array");
}

Napi::Float32Array toFloat32Array(Napi::Value value, const std::string& name) {
  return toTypedArray<Napi::Float32Array>(value, name, napi_float32_array, "a Float32Array");
}

Napi::Uint8Array toUint8Array(Napi::Value value, const std::string& name, int64_t size) {
  const Napi::Uint8Array array = toUint8Array(value, name);
  if (static_cast<int64_t>(array.ElementLength()) != size) fail(name, "Uint8Array of " + std::to_string(size), value);
  return array;
}

Napi::Float32Array toFloat32Array(Napi::Value value, const std::string& name, int64_t size) {
  const Napi::Float32Array array = toFloat32Array(value, name);
  if (static_cast<int64_t>(array.ElementLength()) != size) fail(name, "Float32Array of " + std::to_string(size), value);
  return array;
}

std::vector<uint8_t> copyOf(const Napi::Uint8Array& array) {
  return std::vector<uint8_t>(array.Data(), array.Data() + array.ElementLength());
}

Tensor toImageTensor(Napi::Value data, Napi::Value shape) {
  Tensor tensor;
  tensor.shape = toIntegers(shape, "shape", 1, 4);
  if (tensor.shape.size() != 4 || tensor.shape[1] != 3) fail("shape", "[B, 3, H, W]", shape);
  int64_t size = 1;
  for (const int64_t side : tensor.shape) {
    if (__builtin_mul_overflow(size, side, &size)) fail("shape", "sides whose product is a length", shape);
  }
  const Napi::Float32Array array = toFloat32Array(data, "data", size);
  tensor.data.assign(array.Data(), array.Data() + size);
  return tensor;
}

}  // namespace dinomaly
