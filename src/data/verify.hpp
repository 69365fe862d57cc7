// Is a store what its manifest says? Every problem is reported, not only the first.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace epi::data {

struct VerifyReport {
  std::vector<std::string> problems;  ///< one line each, naming the file; empty: the store is whole
  std::int64_t num_shards = 0;        ///< that the manifest names
  std::int64_t bytes = 0;             ///< of the shards that are whole
  /// Whether nothing was found, as deep as was looked.
  [[nodiscard]] bool ok() const { return problems.empty(); }
};

/// Checks manifest, sizes and headers; with `deep` reads every byte: digests of files and datasets,
/// Fletcher32, codes outside of their range. Damage becomes a problem, never an exception; one
/// shard has at most one. MissingError when there is no such folder, IoError when it or its
/// manifest cannot be read.
[[nodiscard]] VerifyReport verify(const std::filesystem::path& folder, bool deep);

}  // namespace epi::data
