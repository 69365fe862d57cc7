#include "data/mapped_shard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "data/path_status.hpp"

namespace epi::data {
namespace {

std::int64_t num_bins(const ShardLayout& layout) {
  return (layout.length_bp + layout.bin_bp - 1) / layout.bin_bp;
}

template <class Value>
void expect(const std::filesystem::path& path, const char* what, const Value& expected,
            const Value& found) {
  if (expected == found) return;
  throw core::FormatError(
      fmt::format("{}: {}: the manifest says {}, the file {}; it is damaged or belongs elsewhere: "
                  "put the right file back or prepare the store again",
                  path.string(), what, expected, found));
}

/// Size and digest are compared before HDF5 looks: it neither stands truncated files nor damaged
/// headers well.
MappedFile map(const std::filesystem::path& path, const Shard& shard, Depth depth) {
  if (!std::filesystem::exists(status_of(path))) {
    throw core::MissingError(fmt::format(
        "{}: the manifest names this shard, but the file is not there; prepare the store again",
        path.string()));
  }
  MappedFile file(path);
  expect(path, "size in bytes", shard.bytes, static_cast<std::int64_t>(file.bytes().size()));
  if (depth == Depth::every_byte) {
    expect(path, "digest", shard.digest, core::digest_of(std::as_bytes(file.bytes())));
  }
  return file;
}

void check_header(const std::filesystem::path& path, const Manifest& manifest, const Shard& shard,
                  const ShardLayout& layout) {
  const std::string& contig = manifest.contigs.at(static_cast<std::size_t>(shard.contig)).name;
  expect(path, "contig", contig, layout.contig);
  expect(path, "start_bp", shard.start_bp, layout.start_bp);
  expect(path, "number of bases", shard.length_bp, layout.length_bp);
  expect(path, "bin_bp", manifest.bin_bp, layout.bin_bp);
  expect(path, "number of cell types", static_cast<std::int32_t>(manifest.cells.size()),
         layout.num_cells);
  expect(path, "digest of bases", shard.bases_digest, layout.bases_digest);
  expect(path, "digest of states", shard.states_digest, layout.states_digest);
}

void check_inside(const std::filesystem::path& path, const char* dataset, std::int64_t offset,
                  std::int64_t bytes, std::size_t file_bytes) {
  if (offset >= 0 && bytes >= 0 && offset <= static_cast<std::int64_t>(file_bytes) - bytes) return;
  throw core::FormatError(
      fmt::format("{}: dataset {}: {} bytes at byte {} of a file of {} bytes; the file is damaged",
                  path.string(), dataset, bytes, offset, file_bytes));
}

void check_codes(const std::filesystem::path& path, const MappedShard& shard,
                 std::size_t num_states) {
  // Every byte first, without a branch; which it was is sought only when one is wrong.
  const auto bases = shard.bases();
  if (!are_base_codes(bases)) {
    const auto wrong = std::find_if_not(bases.begin(), bases.end(), is_base_code);
    throw core::FormatError(fmt::format("{}: dataset bases: {} at base {} is no base code",
                                        path.string(), *wrong, wrong - bases.begin()));
  }
  for (std::int32_t cell = 0; cell < shard.layout().num_cells; ++cell) {
    const auto states = shard.states(cell);
    std::uint8_t most = 0;
    for (const std::uint8_t code : states) most = std::max(most, code);
    if (most <= num_states) continue;
    throw core::FormatError(fmt::format(
        "{}: dataset states: code {} at cell type {}, bin {}; there are {} states", path.string(),
        most, cell, std::find(states.begin(), states.end(), most) - states.begin(), num_states));
  }
}

}  // namespace

MappedShard::MappedShard(const std::filesystem::path& folder, const Manifest& manifest,
                         const Shard& shard, Depth depth)
    : file_(map(folder / shard.file, shard, depth)), layout_(read_layout(folder / shard.file)) {
  const auto path = folder / shard.file;
  check_header(path, manifest, shard, layout_);
  check_inside(path, "bases", layout_.bases_offset, layout_.length_bp, file().size());
  for (const std::int64_t offset : layout_.states_offsets) {
    check_inside(path, "states", offset, num_bins(layout_), file().size());
  }
  if (depth == Depth::every_byte) check_codes(path, *this, manifest.states.size());
}

std::span<const std::uint8_t> MappedShard::bases() const {
  return file().subspan(static_cast<std::size_t>(layout_.bases_offset),
                        static_cast<std::size_t>(layout_.length_bp));
}

std::span<const std::uint8_t> MappedShard::states(std::int32_t cell) const {
  const std::int64_t offset = layout_.states_offsets.at(static_cast<std::size_t>(cell));
  return file().subspan(static_cast<std::size_t>(offset),
                        static_cast<std::size_t>(num_bins(layout_)));
}

}  // namespace epi::data
