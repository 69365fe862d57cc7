#include "data/shard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/files.hpp"
#include "data/h5.hpp"

namespace epi::data {
namespace {

constexpr std::int64_t kShardVersion = 1;
constexpr const char* kBases = "bases";
constexpr const char* kStates = "states";

std::int64_t num_bins(std::int64_t length_bp, std::int64_t bin_bp) {
  return (length_bp + bin_bp - 1) / bin_bp;
}

void check_content(const ShardContent& content) {
  const auto length = static_cast<std::int64_t>(content.bases.size());
  core::require(!content.contig.empty() && length > 0, "a shard has a contig and bases");
  core::require(
      content.bin_bp > 0 && content.start_bp >= 0 && content.start_bp % content.bin_bp == 0,
      "a shard starts at a bin");
  core::require(content.num_cells >= 0 && static_cast<std::int64_t>(content.states.size()) ==
                                              content.num_cells * num_bins(length, content.bin_bp),
                "a shard has one state per cell and bin");
  core::require(are_base_codes(content.bases), "bases are codes 0..4, plus 8 where soft-masked");
}

std::string digest(std::span<const std::uint8_t> data) {
  return core::digest_of(std::as_bytes(data));
}

/// Of what is meant to be in the file.
struct Digests {
  std::string bases, states;
};

void fill(const std::filesystem::path& path, const ShardContent& content, const Digests& digests) {
  const auto length = static_cast<std::int64_t>(content.bases.size());
  h5::File file = h5::File::create(path);
  file.set_attribute("/", "format", std::string("epitrain shard"));
  file.set_attribute("/", "version", kShardVersion);
  file.set_attribute("/", "contig", content.contig);
  file.set_attribute("/", "start_bp", content.start_bp);
  file.set_attribute("/", "bin_bp", std::int64_t{content.bin_bp});
  file.set_attribute("/", "num_cells", std::int64_t{content.num_cells});
  file.write(kBases, {1, length, 1}, content.bases);
  file.set_attribute(kBases, "xxh3_128", digests.bases);
  if (content.num_cells > 0) {
    file.write(kStates, {content.num_cells, num_bins(length, content.bin_bp), 2}, content.states);
    file.set_attribute(kStates, "xxh3_128", digests.states);
  }
  file.close();
}

void check_dataset(const std::filesystem::path& path, const h5::File& file, const char* name,
                   const std::string& expected) {
  const std::string found = digest(file.read(name));
  if (found == expected) return;
  throw core::FormatError(
      fmt::format("{}: dataset {}: digest {} expected, {} found; the file is damaged, prepare the "
                  "store again",
                  path.string(), name, expected, found));
}

Shard entry_of(const std::filesystem::path& path, const ShardLayout& layout) {
  Shard shard;
  shard.file = path.filename().string();
  shard.start_bp = layout.start_bp;
  shard.length_bp = layout.length_bp;
  shard.bytes = static_cast<std::int64_t>(std::filesystem::file_size(path));
  shard.digest = core::digest_of_file(path);
  shard.bases_digest = layout.bases_digest;
  shard.states_digest = layout.states_digest;
  return shard;
}

/// Removes what a failed write left behind.
class Aside {
 public:
  explicit Aside(std::filesystem::path path) : path_(std::move(path)) {}
  ~Aside() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  Aside(const Aside&) = delete;
  Aside& operator=(const Aside&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::int32_t narrow(const std::filesystem::path& path, const char* name, std::int64_t value,
                    std::int64_t lowest) {
  if (value >= lowest && value <= std::numeric_limits<std::int32_t>::max()) {
    return static_cast<std::int32_t>(value);
  }
  throw core::FormatError(fmt::format("{}: attribute {}: {} is out of range; the file is damaged",
                                      path.string(), name, value));
}

void check_kind(const std::filesystem::path& path, const h5::File& file) {
  const std::string format = file.text_attribute("/", "format");
  const std::int64_t version = file.integer_attribute("/", "version");
  if (format == "epitrain shard" && version == kShardVersion) return;
  throw core::FormatError(
      fmt::format("{}: expected \"epitrain shard\" version {}, found \"{}\" version {}; read it "
                  "with the program that wrote it or prepare the store again",
                  path.string(), kShardVersion, format, version));
}

void read_states_layout(const std::filesystem::path& path, const h5::File& file,
                        ShardLayout& layout) {
  if (layout.num_cells == 0) return;
  const h5::Shape expected{layout.num_cells, num_bins(layout.length_bp, layout.bin_bp), 2};
  const h5::Shape found = file.shape(kStates);
  if (found != expected) {
    throw core::FormatError(
        fmt::format("{}: dataset states: expected {} x {}, found {} x {}; the file is damaged",
                    path.string(), expected.rows, expected.columns, found.rows, found.columns));
  }
  layout.states_digest = file.text_attribute(kStates, "xxh3_128");
  for (const h5::Chunk& chunk : file.chunks(kStates)) layout.states_offsets.push_back(chunk.offset);
}

ShardLayout layout_of(const std::filesystem::path& path, const h5::File& file) {
  check_kind(path, file);
  ShardLayout layout;
  layout.contig = file.text_attribute("/", "contig");
  layout.start_bp = file.integer_attribute("/", "start_bp");
  layout.bin_bp = narrow(path, "bin_bp", file.integer_attribute("/", "bin_bp"), 1);
  layout.num_cells = narrow(path, "num_cells", file.integer_attribute("/", "num_cells"), 0);
  layout.length_bp = file.shape(kBases).columns;
  layout.bases_digest = file.text_attribute(kBases, "xxh3_128");
  layout.bases_offset = file.chunks(kBases).at(0).offset;
  read_states_layout(path, file, layout);
  return layout;
}

}  // namespace

bool are_base_codes(std::span<const std::uint8_t> codes) {
  unsigned other = 0;
  for (const std::uint8_t code : codes) other |= static_cast<unsigned>(!is_base_code(code));
  return other == 0;
}

Shard write_shard(const std::filesystem::path& path, const ShardContent& content) {
  check_content(content);
  const Aside aside(path.string() + ".tmp");
  const Digests meant{digest(content.bases), content.num_cells > 0 ? digest(content.states) : ""};
  fill(aside.path(), content, meant);
  Shard shard = read_shard_entry(aside.path());
  // What was read back is compared with what was meant, not only with its own digests.
  if (shard.bases_digest != meant.bases || shard.states_digest != meant.states) {
    throw core::IoError(fmt::format("{}: what was written does not read back; the disk is faulty",
                                    aside.path().string()));
  }
  shard.file = path.filename().string();
  core::sync_path(aside.path());
  core::publish(aside.path(), path);
  return shard;
}

ShardLayout read_layout(const std::filesystem::path& path) {
  return layout_of(path, h5::File::open(path));
}

Shard read_shard_entry(const std::filesystem::path& path) {
  const h5::File file = h5::File::open(path);
  const ShardLayout layout = layout_of(path, file);
  check_dataset(path, file, kBases, layout.bases_digest);
  if (layout.num_cells > 0) check_dataset(path, file, kStates, layout.states_digest);
  return entry_of(path, layout);
}

}  // namespace epi::data
