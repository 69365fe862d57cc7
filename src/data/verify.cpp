#include "data/verify.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/digest.hpp"
#include "core/error.hpp"

namespace epi::data {
namespace {

std::string damaged(const std::filesystem::path& path, const char* what,
                    const std::string& expected, const std::string& found) {
  return fmt::format(
      "{}: {}: digest {} expected, {} found; the file is damaged, restore it or "
      "prepare the store again",
      path.string(), what, expected, found);
}

std::string states_digest(const MappedShard& mapped) {
  core::Digest digest;
  for (std::int32_t cell = 0; cell < mapped.layout().num_cells; ++cell) {
    digest.add(std::as_bytes(mapped.states(cell)));
  }
  return digest.hex();
}

void check_codes(const std::filesystem::path& path, const Manifest& manifest,
                 const MappedShard& mapped, std::vector<std::string>& problems) {
  const auto bases = mapped.bases();
  const auto wrong = std::find_if_not(bases.begin(), bases.end(), is_base_code);
  if (wrong != bases.end()) {
    problems.push_back(fmt::format("{}: dataset bases: {} at base {} is no base code",
                                   path.string(), *wrong, wrong - bases.begin()));
  }
  for (std::int32_t cell = 0; cell < mapped.layout().num_cells; ++cell) {
    const auto states = mapped.states(cell);
    const auto highest = std::max_element(states.begin(), states.end());
    if (highest == states.end() || *highest <= manifest.states.size()) continue;
    problems.push_back(fmt::format(
        "{}: dataset states: {} at cell type {}, bin {}; there are {} "
        "states",
        path.string(), *highest, cell, highest - states.begin(), manifest.states.size()));
  }
}

/// One shard, from its size to every byte; what throws ends the look at this shard alone.
void check_shard(const std::filesystem::path& folder, const Manifest& manifest, const Shard& shard,
                 bool deep, VerifyReport& report) {
  const auto path = folder / shard.file;
  try {
    const MappedShard mapped(folder, manifest, shard);
    report.bytes += static_cast<std::int64_t>(mapped.file().size());
    if (!deep) return;
    const auto problems = content_problems(path, manifest, shard, mapped);
    report.problems.insert(report.problems.end(), problems.begin(), problems.end());
    (void)read_shard_entry(path);  // Fletcher32 of every chunk
  } catch (const core::Error& error) {
    report.problems.emplace_back(error.what());
  }
}

}  // namespace

std::vector<std::string> content_problems(const std::filesystem::path& path,
                                          const Manifest& manifest, const Shard& shard,
                                          const MappedShard& mapped) {
  std::vector<std::string> problems;
  const std::string whole = core::digest_of(std::as_bytes(mapped.file()));
  if (whole != shard.digest) problems.push_back(damaged(path, "file", shard.digest, whole));
  const std::string bases = core::digest_of(std::as_bytes(mapped.bases()));
  if (bases != shard.bases_digest) {
    problems.push_back(damaged(path, "dataset bases", shard.bases_digest, bases));
  }
  const std::string states = mapped.layout().num_cells > 0 ? states_digest(mapped) : "";
  if (states != shard.states_digest) {
    problems.push_back(damaged(path, "dataset states", shard.states_digest, states));
  }
  check_codes(path, manifest, mapped, problems);
  return problems;
}

void check_content(const std::filesystem::path& path, const Manifest& manifest, const Shard& shard,
                   const MappedShard& mapped) {
  const auto problems = content_problems(path, manifest, shard, mapped);
  if (!problems.empty()) throw core::FormatError(problems.front());
}

VerifyReport verify(const std::filesystem::path& folder, bool deep) {
  VerifyReport report;
  Manifest manifest;
  try {
    manifest = read_manifest(folder);
  } catch (const core::Error& error) {
    report.problems.emplace_back(error.what());
    return report;
  }
  report.num_shards = static_cast<std::int64_t>(manifest.shards.size());
  for (const Shard& shard : manifest.shards) check_shard(folder, manifest, shard, deep, report);
  return report;
}

}  // namespace epi::data
