// The parent's side of big_protocol.hpp. Nothing that the child prints is believed unseen: it is
// the output of a library that reads a file which may be damaged.
#include "data/formats/big_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <span>

#include "core/error.hpp"
#include "data/formats/big_header.hpp"
#include "data/formats/big_protocol.hpp"
#include "data/formats/child_process.hpp"
#include "data/formats/text_file.hpp"

namespace epi::data {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20U;  // also the longest line
constexpr std::size_t kShownBytes = 300;
constexpr std::int64_t kMostContigs = 10'000'000;

std::filesystem::path default_reader() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path folder = program.parent_path();
  const std::filesystem::path beside = folder / "epitrain-bigfile";
  const std::filesystem::path other = folder / "../libexec/epitrain/epitrain-bigfile";
  return !std::filesystem::exists(beside, error) && std::filesystem::exists(other, error) ? other
                                                                                          : beside;
}

std::filesystem::path reader_of(const BigFileLimits& limits) {
  std::filesystem::path reader = limits.reader.empty() ? default_reader() : limits.reader;
  std::error_code error;
  if (!std::filesystem::is_regular_file(reader, error)) {
    throw core::MissingError(
        reader.string() +
        ": no such program; bigBed and bigWig are read by it, install it beside epitrain");
  }
  return reader;
}

/// What the reader said, made fit for a message: one line of plain text.
std::string shown(std::string_view said) {
  std::string line(said.substr(0, std::min(said.find('\n'), kShownBytes)));
  std::replace_if(
      line.begin(), line.end(),
      [](char letter) { return static_cast<unsigned char>(letter) < 0x20U || letter == 0x7f; },
      ' ');
  return is_plain_text(line) ? line : "(no text)";
}

/// The column up to the next tab, which is taken off `rest` with it.
std::string_view next_column(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\t'), rest.size());
  const std::string_view column = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return column;
}

template <class Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

struct BigFile::Child {
  Child(const std::filesystem::path& path, const BigFileLimits& given)
      : name(path.string()),
        limits(given),
        header(read_big_header(path)),
        process(reader_of(given),
                {std::filesystem::absolute(path).string(), std::to_string(given.memory_mib),
                 std::to_string(given.seconds)},
                std::chrono::seconds(given.seconds)),
        buffer(kBufferBytes, '\0') {
    read_contigs();
  }

  bool next_line(std::string_view& line);
  bool raw_line(std::string_view& line);
  void fill();
  void read_contigs();
  void check_record(std::string_view line);
  void finish(std::string_view mark);
  void expect_count(std::string_view what, std::optional<std::uint64_t> stated,
                    std::uint64_t found) const;
  [[noreturn]] void fail(const std::string& what) const {
    throw core::InputError(fmt::format("{}: {}", name, what));
  }
  [[noreturn]] void fail_at_limit() const;
  [[noreturn]] void fail_ended(const ChildEnd& end) const;
  [[noreturn]] void fail_garbage(std::string_view line, std::string_view expected) const;

  std::string name;
  BigFileLimits limits;
  BigHeader header;
  ChildProcess process;
  std::string buffer;
  std::string_view unread;  ///< part of buffer
  std::vector<ContigSize> contigs;
  std::map<std::string, std::size_t, std::less<>> index;
  std::size_t current = 0;  ///< the contig of the record given last
  std::uint64_t records = 0;
  bool done = false;
};

void BigFile::Child::fail_at_limit() const {
  fail(
      fmt::format("its reader took longer than {} seconds and was ended: the file is damaged, or "
                  "the disk or the limit is too slow for it",
                  limits.seconds));
}

void BigFile::Child::fail_garbage(std::string_view line, std::string_view expected) const {
  fail(
      fmt::format("after record {} its reader printed \"{}\" where {} should be: the file is "
                  "damaged; fetch it again",
                  records, shown(line), expected));
}

void BigFile::Child::fail_ended(const ChildEnd& end) const {
  const bool memory = end.status == kBigMemoryExit || end.signal == kBigMemorySignal;
  if (memory) {
    fail(
        fmt::format("its reader ran into its memory limit of {} MiB: the file is damaged, or the "
                    "limit is too small for it",
                    limits.memory_mib));
  }
  if (end.signal == SIGXCPU) fail_at_limit();
  // Before the file was opened: whoever checked the limits let through what the child refuses.
  core::require(end.status != kBigUsageExit, "epitrain-bigfile understands its arguments");
  if (end.signal == SIGKILL) {
    fail("its reader was killed from outside (signal 9): the machine may be out of memory");
  }
  if (end.signal) {
    fail(
        fmt::format("its reader crashed with signal {} after record {}: the file is damaged; fetch "
                    "it again",
                    *end.signal, records));
  }
  const std::string status = end.status ? std::to_string(*end.status) : "unknown";
  const std::string said = process.said().empty() ? std::string("nothing")
                                                  : fmt::format("\"{}\"", shown(process.said()));
  fail(fmt::format(
      "its reader ended early after record {} with exit status {} and said {}: the file "
      "is damaged; fetch it again",
      records, status, said));
}

// Moves what is left of a line to the buffer's start and reads more behind it.
void BigFile::Child::fill() {
  if (unread.size() == buffer.size()) fail_garbage(unread, "a line below 1 MiB");
  if (!unread.empty()) std::memmove(buffer.data(), unread.data(), unread.size());
  const std::span<char> room(buffer.data() + unread.size(), buffer.size() - unread.size());
  const std::optional<std::size_t> got = process.read(room);
  if (!got) fail_at_limit();
  if (*got == 0) {  // an end without the mark, whatever the status says
    const std::optional<ChildEnd> end = process.wait();
    if (!end) fail_at_limit();
    fail_ended(*end);
  }
  unread = std::string_view(buffer.data(), unread.size() + *got);
}

bool BigFile::Child::raw_line(std::string_view& line) {
  std::size_t from = 0;
  std::size_t end = unread.find('\n');
  while (end == std::string_view::npos) {
    from = unread.size();
    fill();
    end = unread.find('\n', from);
  }
  line = unread.substr(0, end);
  unread.remove_prefix(end + 1);
  return true;
}

void BigFile::Child::read_contigs() {
  const std::string kind = header.kind == BigKind::bigbed ? "bigbed" : "bigwig";
  std::string_view line;
  (void)raw_line(line);
  std::string_view rest = line;
  const bool known = next_column(rest) == kBigGreeting && next_column(rest) == kind;
  const auto count = number<std::int64_t>(rest);
  if (!known || !count || *count < 1 || *count > kMostContigs) fail_garbage(line, "its greeting");
  for (std::int64_t i = 0; i < *count; ++i) {
    (void)raw_line(line);
    rest = line;
    const std::string contig(next_column(rest));
    const auto length = number<std::int64_t>(rest);
    const bool sound = !contig.empty() && is_plain_text(contig) && length && *length > 0;
    if (!sound || !index.emplace(contig, contigs.size()).second) fail_garbage(line, "a contig");
    contigs.push_back({contig, *length, i + 1});
  }
}

// Records come contig by contig: the last one's name is compared before the table is asked.
void BigFile::Child::check_record(std::string_view line) {
  std::string_view rest = line;
  const std::string_view contig = next_column(rest);
  if (contig != contigs[current].name) {
    const auto found = index.find(contig);
    if (found == index.end()) fail_garbage(line, "a record of a contig that its table has");
    current = found->second;
  }
  const auto start = number<std::int64_t>(next_column(rest));
  const auto end = number<std::int64_t>(next_column(rest));
  if (!start || !end || *start < 0 || *start >= *end || *end > contigs[current].length_bp) {
    fail_garbage(line, fmt::format("a record inside of {} bases", contigs[current].length_bp));
  }
  if (header.kind == BigKind::bigwig && !number<float>(rest)) fail_garbage(line, "a value");
}

// What an index hides leaves no trace but the counts that the file states elsewhere.
void BigFile::Child::expect_count(std::string_view what, std::optional<std::uint64_t> stated,
                                  std::uint64_t found) const {
  if (!stated || *stated == found) return;
  fail(fmt::format("it should hold {} {} but {} were found: its index is damaged; fetch it again",
                   *stated, what, found));
}

// A status that another part of the process took away is no reason to refuse: the mark is printed
// last, and only about a whole file.
void BigFile::Child::finish(std::string_view mark) {
  std::string_view rest = mark;
  rest.remove_prefix(kBigEndMark.size());
  const auto counted = number<std::uint64_t>(next_column(rest));
  const auto blocks = number<std::uint64_t>(rest);
  if (counted != records || !blocks) {
    fail_garbage(mark, fmt::format("an end after {} records", records));
  }
  if (!unread.empty()) fail_garbage(unread, "nothing more");
  std::array<char, 64> more{};
  const std::optional<std::size_t> got = process.read(more);
  if (!got) fail_at_limit();
  if (*got != 0) fail_garbage({more.data(), *got}, "nothing more");
  const std::optional<ChildEnd> end = process.wait();
  if (!end) fail_at_limit();
  const bool unknown = !end->status && !end->signal;
  if (!unknown && end->status != 0) fail_ended(*end);
  expect_count("records", header.records, records);
  expect_count("data blocks", header.blocks, *blocks);
  done = true;
}

bool BigFile::Child::next_line(std::string_view& line) {
  if (done) return false;
  (void)raw_line(line);
  if (line.substr(0, kBigEndMark.size()) == kBigEndMark) {
    finish(line);
    return false;
  }
  check_record(line);
  ++records;
  return true;
}

BigFile::BigFile(const std::filesystem::path& path, const BigFileLimits& limits)
    : child_(std::make_unique<Child>(path, limits)) {}
BigFile::BigFile(BigFile&&) noexcept = default;
BigFile& BigFile::operator=(BigFile&&) noexcept = default;
BigFile::~BigFile() = default;

const std::vector<ContigSize>& BigFile::contigs() const {
  return child_->contigs;
}

bool BigFile::next_line(std::string_view& line) {
  return child_->next_line(line);
}

}  // namespace epi::data
