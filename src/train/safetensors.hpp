// The safetensors format, written and read strictly: u64 little-endian length of a JSON header, the
// header, then all tensors back to back. Hugging Face loads what this writes.
// Grammar: https://huggingface.co/docs/safetensors, "Format".
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/view.hpp"

namespace epi::train {

/// A tensor in host memory under its name. `shape` may have any rank; the data has its product.
struct NamedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  core::ConstView data;
};

/// Takes the next bytes of an output file.
using ByteSink = std::function<void(std::span<const std::byte>)>;

/// Writes tensors in the given order, without gaps; the header is padded to a multiple of 8 bytes.
/// LogicError on duplicate names or a shape that is not the data's size.
void write_safetensors(std::span<const NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata, const ByteSink& sink);

/// One tensor of a file; `begin` and `end` count bytes after the header.
struct TensorEntry {
  std::string name;
  core::DType type = core::DType::f32;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// A checked file: header well formed, no duplicate keys, types known, sizes right, tensors cover
/// the data without holes or overlaps, nothing after them.
class SafetensorsFile {
 public:
  /// MissingError, IoError, or FormatError naming file, tensor, found and expected.
  static SafetensorsFile open(const std::filesystem::path& path);

  /// In the order of their data.
  [[nodiscard]] const std::vector<TensorEntry>& entries() const { return entries_; }
  /// "__metadata__" of the header; empty without it.
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// FormatError naming the file when there is no such tensor.
  [[nodiscard]] const TensorEntry& find(const std::string& name) const;
  /// Reads a tensor into host memory of the same type and number of elements; FormatError when the
  /// file has another type or shape than `shape`.
  void read(const std::string& name, const std::vector<std::int64_t>& shape,
            const core::View& to) const;

 private:
  std::filesystem::path path_;
  std::uint64_t data_start_ = 0;
  std::vector<TensorEntry> entries_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace epi::train
