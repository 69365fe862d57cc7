// One shard file: a contiguous genomic interval with its bases and all cell types' states. Written
// once: aside, verified by reopening, fsynced, renamed. See STORE_FORMAT.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

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

/// Whether a byte is a base code as corpus.hpp has them.
[[nodiscard]] constexpr bool is_base_code(std::uint8_t code) {
  return (code & core::kBaseMask) <= core::kBaseN && code <= (core::kSoftMasked | core::kBaseMask);
}

/// Whether all bytes are; looks at every one, which is faster than stopping at the first other.
[[nodiscard]] bool are_base_codes(std::span<const std::uint8_t> codes);

/// Writes `path` durably and returns its entry (file name, bytes, digest; `contig` index is the
/// caller's to fill). IoError or FormatError name the file; nothing is left under `path` then.
[[nodiscard]] Shard write_shard(const std::filesystem::path& path, const ShardContent& content);

/// What a shard's header says, and where its payload lies in the file.
struct ShardLayout {
  std::string contig;
  std::int64_t start_bp = 0;
  std::int64_t length_bp = 0;
  std::int32_t bin_bp = 0;
  std::int32_t num_cells = 0;  ///< 0: the shard has no states
  std::string bases_digest;    ///< XXH3-128 of the dataset, also below
  std::string states_digest;
  std::int64_t bases_offset = 0;             ///< byte of the file where base 0 lies
  std::vector<std::int64_t> states_offsets;  ///< [num_cells] likewise for bin 0
};

/// Reads a finished shard's header. FormatError on damage or an unknown version.
[[nodiscard]] ShardLayout read_layout(const std::filesystem::path& path);

/// Reads a finished shard through HDF5 (Fletcher32), compares its datasets with their digests and
/// returns its entry as write_shard did; for an interrupted preparation to go on. FormatError.
[[nodiscard]] Shard read_shard_entry(const std::filesystem::path& path);

inline constexpr const char* kManifestName = "manifest.json";

/// Of the stores that this program writes; it reads older ones too. See STORE_FORMAT.md.
inline constexpr std::int32_t kStoreVersion = 2;

/// folder/manifest.json. MissingError, or FormatError as below.
[[nodiscard]] Manifest read_manifest(const std::filesystem::path& folder);

/// Text of manifest.json, and back. FormatError names the key, found and expected.
[[nodiscard]] std::string to_json(const Manifest& manifest);
/// `file_name` is for messages only; the digest in the text must be that of the content.
[[nodiscard]] Manifest manifest_from_json(const std::string& text, const std::string& file_name);

}  // namespace epi::data
