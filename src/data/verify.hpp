// Is a store what its manifest says? Every problem is reported, not only the first.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/mapped_shard.hpp"

namespace epi::data {

struct VerifyReport {
  std::vector<std::string> problems;  ///< one line each, naming the file; empty: the store is whole
  std::int64_t num_shards = 0;        ///< that the manifest names
  std::int64_t bytes = 0;             ///< of the shards that were looked at
  [[nodiscard]] bool ok() const { return problems.empty(); }
};

/// Checks manifest, sizes and headers; with `deep` reads every byte: file and dataset digests,
/// Fletcher32, codes outside of the vocabulary. Damage becomes a problem, never an exception.
[[nodiscard]] VerifyReport verify(const std::filesystem::path& folder, bool deep);

/// All problems with the bytes of one mapped shard: digest of the file and of its datasets, codes.
[[nodiscard]] std::vector<std::string> content_problems(const std::filesystem::path& path,
                                                        const Manifest& manifest,
                                                        const Shard& shard,
                                                        const MappedShard& mapped);

/// FormatError with the first of content_problems.
void check_content(const std::filesystem::path& path, const Manifest& manifest, const Shard& shard,
                   const MappedShard& mapped);

}  // namespace epi::data
