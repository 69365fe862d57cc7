#include "data/verify.hpp"

#include "core/error.hpp"
#include "data/mapped_shard.hpp"
#include "data/path_status.hpp"

namespace epi::data {
namespace {

/// One shard; what throws ends the look at this shard alone.
void check_shard(const std::filesystem::path& folder, const Manifest& manifest, const Shard& shard,
                 Depth depth, VerifyReport& report) {
  try {
    const MappedShard mapped(folder, manifest, shard, depth);
    // Through HDF5 as any other reader: Fletcher32 and the datasets' own digests.
    if (depth == Depth::every_byte) (void)read_shard_entry(folder / shard.file);
    report.bytes += static_cast<std::int64_t>(mapped.file().size());
  } catch (const core::Error& error) {
    report.problems.emplace_back(error.what());
  }
}

}  // namespace

VerifyReport verify(const std::filesystem::path& folder, bool deep) {
  VerifyReport report;
  if (!std::filesystem::exists(status_of(folder))) {
    throw core::MissingError(folder.string() + ": no such store");
  }
  Manifest manifest;
  try {
    manifest = read_manifest(folder);
  } catch (const core::IoError&) {
    throw;  // unreadable says nothing about damage
  } catch (const core::Error& error) {
    report.problems.emplace_back(error.what());
    return report;
  }
  report.num_shards = static_cast<std::int64_t>(manifest.shards.size());
  const Depth depth = deep ? Depth::every_byte : Depth::header;
  for (const Shard& shard : manifest.shards) check_shard(folder, manifest, shard, depth, report);
  return report;
}

}  // namespace epi::data
