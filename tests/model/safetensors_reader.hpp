// Reads the golden files (grammar in tests/golden/README.md). Kept apart from the product's own
// reader, so that a mistake there can't hide itself here.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace epi::model::testing {

struct GoldenTensor {
  std::vector<std::int64_t> shape;
  std::vector<double> values;  ///< whatever the type in the file: I32, F32 and F64 fit
};

using GoldenFile = std::map<std::string, GoldenTensor>;

template <class T>
std::vector<double> decode(const std::string& bytes, std::size_t begin, std::size_t end) {
  std::vector<double> values;
  for (std::size_t at = begin; at < end; at += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof(T));
    values.push_back(static_cast<double>(value));
  }
  return values;
}

/// Throws std::runtime_error when the file is missing or not as described.
inline GoldenFile read_golden(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("no golden file " + path);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  const std::size_t base = sizeof header_bytes + header_bytes;
  GoldenFile tensors;
  const auto header = nlohmann::json::parse(bytes.substr(sizeof header_bytes, header_bytes));
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    const std::size_t begin = base + entry.at("data_offsets").at(0).get<std::size_t>();
    const std::size_t end = base + entry.at("data_offsets").at(1).get<std::size_t>();
    if (end > bytes.size()) throw std::runtime_error(path + ": " + name + " runs past the end");
    GoldenTensor& tensor = tensors[name];
    tensor.shape = entry.at("shape").get<std::vector<std::int64_t>>();
    const auto type = entry.at("dtype").get<std::string>();
    if (type == "I32") tensor.values = decode<std::int32_t>(bytes, begin, end);
    if (type == "F32") tensor.values = decode<float>(bytes, begin, end);
    if (type == "F64") tensor.values = decode<double>(bytes, begin, end);
    if (tensor.values.empty()) throw std::runtime_error(path + ": " + name + " of type " + type);
  }
  return tensors;
}

}  // namespace epi::model::testing
