// One shard file: a contiguous genomic interval with its bases and all cell types' states. Written
// once: aside, verified by reopening, fsynced, renamed. See STORE_FORMAT.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "data/store.hpp"

namespace epi::data {

/// What a shard holds. `states` is [cells][bins] row-major, bins = ceil(length_bp / bin_bp).
struct ShardContent {
  std::string contig;
  std::int64_t start_bp = 0;  ///< a multiple of bin_bp
  std::int32_t bin_bp = 0;
  std::span<const std::uint8_t> bases;
  std::span<const std::uint8_t> states;
  std::int32_t num_cells = 0;
};

/// Writes `path` durably and returns its entry (file name, bytes, digest; `contig` index is the
/// caller's to fill). IoError or FormatError name the file; nothing is left under `path` then.
[[nodiscard]] Shard write_shard(const std::filesystem::path& path, const ShardContent& content);

/// Text of manifest.json, and back. FormatError names the key, found and expected.
[[nodiscard]] std::string to_json(const Manifest& manifest);
[[nodiscard]] Manifest manifest_from_json(const std::string& text, const std::string& file_name);

}  // namespace epi::data
