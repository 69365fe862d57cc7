// A shard of a store, mapped and compared with its manifest: what the store serves and what
// verification looks at.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "data/mapped_file.hpp"
#include "data/shard.hpp"
#include "data/store.hpp"

namespace epi::data {

/// How closely a shard is looked at: every byte means its digest and its codes as well.
enum class Depth : std::uint8_t { header, every_byte };

class MappedShard {
 public:
  /// Maps folder/shard.file and checks its size and header against the manifest: a truncated file,
  /// a shard that belongs elsewhere in the store or to another store, an unknown version.
  /// MissingError or FormatError naming file, expected and found.
  MappedShard(const std::filesystem::path& folder, const Manifest& manifest, const Shard& shard,
              Depth depth);

  /// The file as it lies on disk, for digests of it.
  [[nodiscard]] std::span<const std::uint8_t> file() const { return file_.bytes(); }
  /// Base codes of the shard, one byte each, soft-mask bit included.
  [[nodiscard]] std::span<const std::uint8_t> bases() const;
  /// State codes of one cell type.
  [[nodiscard]] std::span<const std::uint8_t> states(std::int32_t cell) const;
  /// What the header says; the constructor has compared it with the manifest.
  [[nodiscard]] const ShardLayout& layout() const { return layout_; }

 private:
  MappedFile file_;
  ShardLayout layout_;
};

}  // namespace epi::data
