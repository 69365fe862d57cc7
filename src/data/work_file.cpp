// Payload first, table last: a genome is written contig by contig, before its table is known.
#include "data/work_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/files.hpp"
#include "data/formats/genome_file.hpp"
#include "data/path_status.hpp"

namespace epi::data {
namespace {

using nlohmann::json;

struct Header {
  char magic[8];
  char digest[32];
  std::int64_t table_offset;
  std::int64_t file_bytes;
  std::int64_t reading;  // see reading_key
  char content[32];
};
static_assert(sizeof(Header) == 96 && sizeof(Header) % alignof(StateInterval) == 0);
static_assert(std::is_trivially_copyable_v<StateInterval> && sizeof(StateInterval) == 24);

constexpr char kMagic[9] = "EPIWORK5";

std::span<const std::byte> bytes_of(const void* bytes, std::size_t size) {
  return {static_cast<const std::byte*>(bytes), size};
}

/// The digest of payload and table, completed by the header's own fields.
std::string completed(core::Digest& content, Header header) {
  std::memset(header.content, 0, sizeof header.content);
  content.add(bytes_of(&header, sizeof header));
  return content.hex();
}

/// As a header has it, where every file has one.
std::string header_digest(std::span<const std::filesystem::path> sources) {
  const std::string digest = digest_of_files(sources);
  return digest.empty() ? std::string(sizeof(Header::digest), '0') : digest;
}

/// Writes aside; `finish` makes the file appear under its name.
class WorkWriter {
 public:
  /// `digest` is taken before: a source that cannot be read leaves nothing aside.
  WorkWriter(const std::filesystem::path& path, const std::string& digest, std::int64_t reading)
      : WorkWriter(path) {  // whatever is thrown from here on, the destructor cleans up
    std::memcpy(header_.magic, kMagic, sizeof header_.magic);
    core::require(digest.size() == sizeof header_.digest, "a digest has 32 digits");
    std::memcpy(header_.digest, digest.data(), sizeof header_.digest);
    header_.reading = reading;
    write(&header_, sizeof header_);  // again, complete, in finish
  }
  ~WorkWriter() {
    if (file_ == nullptr) return;
    (void)std::fclose(file_);
    std::error_code ignored;
    std::filesystem::remove(aside_, ignored);
  }
  WorkWriter(const WorkWriter&) = delete;
  WorkWriter& operator=(const WorkWriter&) = delete;

  /// Returns where in the file the bytes begin.
  std::int64_t append(const void* bytes, std::size_t size) {
    const std::int64_t begin = size_;
    write(bytes, size);
    content_.add(bytes_of(bytes, size));
    return begin;
  }

  void finish(const json& table) {
    const std::string text = table.dump();
    header_.table_offset = append(text.data(), text.size());
    header_.file_bytes = size_;
    const std::string content = completed(content_, header_);
    std::memcpy(header_.content, content.data(), sizeof header_.content);
    if (std::fseek(file_, 0, SEEK_SET) != 0) fail("seek failed");
    write(&header_, sizeof header_);
    if (std::fclose(std::exchange(file_, nullptr)) != 0) fail_published();
    // No fsync: `content` tells a file that a power cut left half written.
    if (std::rename(aside_.c_str(), path_.c_str()) != 0) fail_published();
  }

 private:
  explicit WorkWriter(const std::filesystem::path& path)
      : path_(path), aside_(path.string() + ".tmp"), file_(std::fopen(aside_.c_str(), "wb")) {
    if (file_ == nullptr) fail("cannot create");
  }
  void write(const void* bytes, std::size_t size) {
    if (size > 0 && std::fwrite(bytes, 1, size, file_) != size) fail("write failed");
    size_ += static_cast<std::int64_t>(size);
  }
  [[noreturn]] void fail(const char* what) const {
    throw core::IoError(fmt::format("{}: {}: {}", aside_.string(), what, std::strerror(errno)));
  }
  /// The stream is closed already, and the destructor leaves the file to us.
  [[noreturn]] void fail_published() const {
    const int reason = errno;
    std::error_code ignored;
    std::filesystem::remove(aside_, ignored);
    errno = reason;
    fail("write failed");
  }

  std::filesystem::path path_, aside_;
  std::FILE* file_;
  Header header_{};
  core::Digest content_;
  std::int64_t size_ = 0;
};

/// The parse of a table, or anything else that a whole file would hold, failed.
[[noreturn]] void fail_damaged(const std::filesystem::path& path) {
  throw core::FormatError(path.string() +
                          ": damaged work file; delete it and run the same command again");
}

/// A file of another size than it was written with is cut or half written.
Header checked(const std::filesystem::path& path, const Header& header, std::size_t file_bytes) {
  const auto size = static_cast<std::int64_t>(file_bytes);
  if (std::memcmp(header.magic, kMagic, sizeof header.magic) != 0 || header.file_bytes != size ||
      header.table_offset < static_cast<std::int64_t>(sizeof header) ||
      header.table_offset > size) {
    fail_damaged(path);
  }
  return header;
}

Header header_of(const WorkReader& file) {
  Header header{};
  if (file.size() < sizeof header) fail_damaged(file.path());
  file.read(0, {reinterpret_cast<std::uint8_t*>(&header), sizeof header});
  return checked(file.path(), header, file.size());
}

json table_of(const WorkReader& file, const Header& header) {
  const auto offset = static_cast<std::size_t>(header.table_offset);
  std::vector<std::uint8_t> text(file.size() - offset);
  file.read(offset, text);
  return json::parse(text.begin(), text.end());
}

/// Reads every byte: a flipped one in the payload would become a wrong store without a word.
bool is_whole(const WorkReader& file, const Header& header) {
  core::Digest content;
  std::vector<std::uint8_t> block(std::size_t{1} << 20U);
  for (std::size_t at = sizeof header; at < file.size();) {
    const auto piece = std::span(block).first(std::min(block.size(), file.size() - at));
    file.read(at, piece);
    content.add(std::as_bytes(piece));
    at += piece.size();
  }
  return completed(content, header) == std::string_view(header.content, sizeof header.content);
}

/// `count` items of `size` bytes from `offset` on lie between header and table.
void check_place(const std::filesystem::path& path, const Header& header, std::size_t offset,
                 std::size_t count, std::size_t size) {
  const auto table = static_cast<std::size_t>(header.table_offset);
  const bool begins_inside = offset >= sizeof(Header) && offset <= table;
  if (!begins_inside || count > (table - offset) / size) fail_damaged(path);
}

std::string digest_in(const Header& header) {
  return {header.digest, sizeof header.digest};
}

}  // namespace

std::string digest_of_files(std::span<const std::filesystem::path> files) {
  if (files.empty()) return {};
  if (files.size() == 1) return core::digest_of_file(files[0]);
  std::string all;
  for (const std::filesystem::path& file : files) all += core::digest_of_file(file);
  return core::digest_of(all);
}

void write_genome_work(const std::filesystem::path& path, const std::filesystem::path& genome) {
  WorkWriter writer(path, header_digest({&genome, 1}), 0);
  json table = json::array();
  read_genome(genome, [&](const ContigSequence& sequence) {
    const Contig& contig = sequence.contig;
    json gaps = json::array();
    for (const Range& gap : sequence.gaps) gaps.push_back({gap.start_bp, gap.end_bp});
    table.push_back({{"name", contig.name},
                     {"length_bp", contig.length_bp},
                     {"acgt_bp", contig.acgt_bp},
                     {"soft_masked_bp", contig.soft_masked_bp},
                     {"iupac_bp", contig.iupac_bp},
                     {"digest", contig.digest},
                     {"md5", contig.md5},
                     {"offset", writer.append(sequence.bases.data(), sequence.bases.size())},
                     {"gaps", std::move(gaps)}});
  });
  writer.finish(table);
}

void write_track_work(const std::filesystem::path& path,
                      std::span<const std::filesystem::path> files, const StatesFormat& format) {
  WorkWriter writer(path, header_digest(files), reading_key(format));
  const StateTrack track = files.empty() ? StateTrack{} : read_states(files, format);
  json contigs = json::array();
  for (const ContigTrack& contig : track.contigs) {
    const auto& all = contig.intervals;
    contigs.push_back({{"name", contig.name},
                       {"file", contig.file},
                       {"count", all.size()},
                       {"offset", writer.append(all.data(), all.size() * sizeof all[0])}});
  }
  json states = json::array();
  for (const NamedState& state : track.states) {
    states.push_back({{"number", state.number},
                      {"label", state.label},
                      {"style", state.style},
                      {"line", state.line},
                      {"file", state.file}});
  }
  writer.finish({{"contigs", std::move(contigs)},
                 {"states", std::move(states)},
                 {"bin_bp", track.grid.bin_bp},
                 {"boundaries", track.grid.boundaries},
                 {"bin_line", track.grid.line},
                 {"bin_file", track.grid.file}});
}

std::int64_t reading_key(const StatesFormat& format) {
  if (format.names.empty()) return format.line_bin_bp;
  std::string text = std::to_string(format.line_bin_bp);
  for (const State& state : format.names) text += fmt::format("\n{} {}", state.number, state.label);
  return std::stoll(core::digest_of(text).substr(0, 15), nullptr, 16);  // 60 bits
}

bool is_current(const std::filesystem::path& path, std::span<const std::filesystem::path> sources,
                std::int64_t reading) {
  if (!std::filesystem::exists(status_of(path))) return false;
  try {
    const WorkReader file(path);
    const Header header = header_of(file);
    return header.reading == reading && is_whole(file, header) &&
           digest_in(header) == header_digest(sources);
  } catch (const core::FormatError&) {
    return false;  // damaged: read the input again
  }
}

WorkReader::WorkReader(std::filesystem::path path)
    : path_(std::move(path)), descriptor_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC)) {
  struct ::stat about {};
  if (descriptor_ >= 0 && ::fstat(descriptor_, &about) == 0) {
    size_ = static_cast<std::size_t>(about.st_size);
    return;
  }
  const int reason = errno;
  if (descriptor_ >= 0) (void)::close(descriptor_);
  const auto message = fmt::format("{}: cannot open: {}", path_.string(), std::strerror(reason));
  if (reason == ENOENT) throw core::MissingError(message);
  throw core::IoError(message);
}

WorkReader::WorkReader(WorkReader&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_) {}

WorkReader& WorkReader::operator=(WorkReader&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_, other.size_);
  return *this;
}

WorkReader::~WorkReader() {
  if (descriptor_ >= 0) (void)::close(descriptor_);
}

void WorkReader::read(std::size_t offset, std::span<std::uint8_t> out) const {
  while (!out.empty()) {
    const ssize_t got = ::pread(descriptor_, out.data(), out.size(), static_cast<::off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      throw core::IoError(fmt::format("{}: read failed: {}", path_.string(),
                                      got < 0 ? std::strerror(errno) : "the file ends early"));
    }
    offset += static_cast<std::size_t>(got);
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

GenomeWork::GenomeWork(const std::filesystem::path& path) try : file_(path) {
  const Header header = header_of(file_);
  digest_ = digest_in(header);
  for (const json& entry : table_of(file_, header)) {
    Contig contig;
    entry.at("name").get_to(contig.name);
    entry.at("length_bp").get_to(contig.length_bp);
    entry.at("acgt_bp").get_to(contig.acgt_bp);
    entry.at("soft_masked_bp").get_to(contig.soft_masked_bp);
    entry.at("iupac_bp").get_to(contig.iupac_bp);
    entry.at("digest").get_to(contig.digest);
    entry.at("md5").get_to(contig.md5);
    contigs_.push_back(std::move(contig));
    offsets_.push_back(entry.at("offset").get<std::size_t>());
    if (contigs_.back().length_bp < 0) fail_damaged(path);
    check_place(path, header, offsets_.back(), static_cast<std::size_t>(contigs_.back().length_bp),
                1);
    Ranges& gaps = gaps_.emplace_back();
    for (const json& gap : entry.at("gaps")) gaps.push_back({gap.at(0), gap.at(1)});
  }
} catch (const json::exception&) {
  fail_damaged(path);
}

std::vector<std::uint8_t> GenomeWork::bases(std::size_t contig, Range range) const {
  core::require(0 <= range.start_bp && range.start_bp <= range.end_bp &&
                    range.end_bp <= contigs_[contig].length_bp,
                "the bases lie on the contig");
  std::vector<std::uint8_t> bases(static_cast<std::size_t>(range.end_bp - range.start_bp));
  file_.read(offsets_[contig] + static_cast<std::size_t>(range.start_bp), bases);
  return bases;
}

TrackWork::TrackWork(const std::filesystem::path& path) try : file_(path) {
  const WorkReader reader(path);
  const Header header = header_of(reader);
  digest_ = digest_in(header);
  if (digest_.find_first_not_of('0') == std::string::npos) digest_.clear();
  const json table = table_of(reader, header);
  grid_ = {table.at("bin_bp"), table.at("boundaries"), table.at("bin_line"), table.at("bin_file")};
  for (const json& entry : table.at("states")) {
    states_.push_back({entry.at("number"), entry.at("label"), entry.at("style"), entry.at("line"),
                       entry.at("file")});
  }
  for (const json& entry : table.at("contigs")) {
    names_.push_back(entry.at("name"));
    offsets_.push_back(entry.at("offset"));
    counts_.push_back(entry.at("count"));
    files_.push_back(entry.at("file"));
    const bool aligned = offsets_.back() % alignof(StateInterval) == 0;
    if (!aligned || counts_.back() == 0) fail_damaged(path);
    check_place(path, header, offsets_.back(), counts_.back(), sizeof(StateInterval));
  }
} catch (const json::exception&) {
  fail_damaged(path);
}

std::span<const StateInterval> TrackWork::intervals(std::size_t contig) const {
  const auto bytes =
      file_.bytes().subspan(offsets_[contig], counts_[contig] * sizeof(StateInterval));
  // The header and every array before this one are multiples of the alignment.
  return {reinterpret_cast<const StateInterval*>(bytes.data()), counts_[contig]};
}

}  // namespace epi::data
