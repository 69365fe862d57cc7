// The file is mapped and read in place: a contig's letters are unpacked piece by piece, the runs of
// N and of lower case laid over them, and handed to the builder that FASTA feeds too.
//
// 2bit has no checksum. What it has is structure, and all of it is demanded: the records must fill
// the file without a hole, so that a wrong length, offset or count shows in any of them.
#include "data/formats/twobit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "data/formats/contig_builder.hpp"
#include "data/formats/text_file.hpp"
#include "data/mapped_file.hpp"

namespace epi::data {
namespace {

constexpr std::uint32_t kSignature = 0x1A412743;
constexpr std::uint32_t kSwapped = 0x4327411A;
constexpr std::size_t kPieceBp = std::size_t{1} << 15U;
constexpr std::array<char, 4> kLetters = {'T', 'C', 'A', 'G'};

/// The four letters of each packed byte; the first base is in the highest bits.
constexpr std::array<std::array<char, 4>, 256> make_quads() {
  std::array<std::array<char, 4>, 256> quads{};
  for (std::size_t byte = 0; byte < quads.size(); ++byte) {
    for (std::size_t i = 0; i < 4; ++i) quads[byte][i] = kLetters[byte >> (6 - 2 * i) & 3U];
  }
  return quads;
}

constexpr std::array<std::array<char, 4>, 256> kQuads = make_quads();

/// A list of runs as it lies in the file: all starts, then all sizes.
struct Blocks {
  std::uint64_t starts = 0, count = 0;  ///< offset in the file, number of runs
};

struct Record {
  std::string name;
  std::uint64_t start = 0, end = 0;  ///< in the file
  std::uint64_t length_bp = 0;
  Blocks unknown, masked;
  std::uint64_t packed = 0;  ///< offset of the bases
};

/// Numbers of the file, each read only where the file has bytes for it.
class TwobitReader {
 public:
  explicit TwobitReader(const std::filesystem::path& path)
      : name_(path.string()), file_(path), bytes_(file_.bytes()) {}

  void read(const TakeContig& take) {
    read_index();
    refuse_holes();
    ContigBuilder builder;
    for (const Record& record : records_) {
      builder.start(record.name);
      unpack(record, builder);
      take(builder.finish());
    }
  }

 private:
  void read_index() {
    std::uint64_t at = 0;
    const std::uint32_t signature = number(at, "the header");
    if (signature != kSignature && signature != kSwapped) fail("the signature is another's");
    swapped_ = signature == kSwapped;
    const std::uint32_t version = number(at, "the header");
    if (version > 1) fail(fmt::format("version {}; expected 0 or 1", version));
    const std::uint32_t count = number(at, "the header");
    if (number(at, "the header") != 0) fail("the header's reserved field is not 0");
    if (count == 0) fail("holds no contig");
    std::set<std::string> names;
    for (std::uint32_t i = 0; i < count; ++i) {
      Record record;
      record.name = contig_name(at, i);
      if (!names.insert(record.name).second) {
        fail(fmt::format("contig '{}' is in the index twice", record.name));
      }
      record.start = number(at, "the index");
      if (version == 1) {
        // A 64-bit offset: its halves stand in the file's own order.
        const std::uint64_t next = number(at, "the index");
        record.start = swapped_ ? record.start << 32U | next : next << 32U | record.start;
      }
      records_.push_back(std::move(record));
    }
    index_end_ = at;
    for (Record& record : records_) read_record(record);
  }

  std::string contig_name(std::uint64_t& at, std::uint32_t index) {
    need(at, 1, "the index");
    const std::uint64_t length = bytes_[at++];
    need(at, length, "the index");
    std::string name(reinterpret_cast<const char*>(bytes_.data()) + at, length);
    at += length;
    if (name.empty() || !is_plain_text(name) || name.find_first_of(" \t") != std::string::npos) {
      fail(fmt::format("name {} of the index is no contig's name; expected text without blanks",
                       index + 1));
    }
    return name;
  }

  void read_record(Record& record) {
    const std::string what = fmt::format("contig '{}'", record.name);
    std::uint64_t at = record.start;
    record.length_bp = number(at, what);
    if (record.length_bp == 0) fail(what + " has no sequence");
    record.unknown = blocks(at, record, "run of N");
    record.masked = blocks(at, record, "masked run");
    if (number(at, what) != 0) fail(what + ": the reserved field is not 0");
    record.packed = at;
    const std::uint64_t packed = (record.length_bp + 3) / 4;
    need(at, packed, what);
    record.end = at + packed;
    // Bits behind the last base are 0: a length that lost a base shows here.
    const auto spare = static_cast<unsigned>(8 - 2 * (record.length_bp - 4 * (packed - 1)));
    if ((bytes_[record.end - 1] & ((1U << spare) - 1U)) != 0) {
      fail(what + ": bits behind the last base are not 0: the length is wrong");
    }
  }

  /// Runs lie within the contig, ascending and disjoint.
  Blocks blocks(std::uint64_t& at, const Record& record, const char* kind) {
    const std::string what = fmt::format("contig '{}'", record.name);
    Blocks blocks;
    blocks.count = number(at, what);
    need(at, 8 * blocks.count, what);
    blocks.starts = at;
    at += 8 * blocks.count;
    std::uint64_t before = 0;
    for (std::uint64_t i = 0; i < blocks.count; ++i) {
      const auto [start, end] = run(blocks, i);
      if (start < before || end <= start || end > record.length_bp) {
        fail(fmt::format("{}: {} {} is {}-{}; expected ascending, disjoint ones within {} bases",
                         what, kind, i + 1, start, end, record.length_bp));
      }
      before = end;
    }
    return blocks;
  }

  struct Run {
    std::uint64_t start, end;
  };
  [[nodiscard]] Run run(const Blocks& blocks, std::uint64_t index) const {
    const std::uint64_t start = load(blocks.starts + 4 * index);
    return {start, start + load(blocks.starts + 4 * (blocks.count + index))};
  }

  /// Records follow the index and each other: what lies between would belong to none, and two
  /// names for the same bytes are a damaged offset.
  void refuse_holes() const {
    std::vector<const Record*> order;
    for (const Record& record : records_) order.push_back(&record);
    std::sort(order.begin(), order.end(),
              [](const Record* a, const Record* b) { return a->start < b->start; });
    std::uint64_t end = index_end_;
    for (const Record* record : order) {
      if (record->start != end) {
        fail(fmt::format("contig '{}' begins at byte {}, but what is before it ends at byte {}",
                         record->name, record->start, end));
      }
      end = record->end;
    }
    if (end != bytes_.size()) {
      fail(fmt::format("{} bytes behind the last contig", bytes_.size() - end));
    }
  }

  void unpack(const Record& record, ContigBuilder& builder) const {
    std::string letters;
    std::uint64_t next_unknown = 0, next_masked = 0;
    for (std::uint64_t at = 0; at < record.length_bp; at += kPieceBp) {
      const auto size =
          static_cast<std::size_t>(std::min<std::uint64_t>(kPieceBp, record.length_bp - at));
      letters.resize((size + 3) / 4 * 4);
      for (std::size_t i = 0; i < size; i += 4) {
        const auto& quad = kQuads[bytes_[record.packed + (at + i) / 4]];
        std::memcpy(letters.data() + i, quad.data(), quad.size());
      }
      letters.resize(size);
      lay_over(record.unknown, next_unknown, at, letters, [](char) { return 'N'; });
      lay_over(record.masked, next_masked, at, letters,
               [](char letter) { return static_cast<char>(letter | ('a' - 'A')); });
      core::require(builder.add(letters) == size, "unpacked letters are bases");
    }
  }

  /// Changes the letters of a piece, which starts at base `at`, that runs cover. `next` is the
  /// first run that may reach into the piece, and stays so for the next piece.
  template <class Change>
  void lay_over(const Blocks& blocks, std::uint64_t& next, std::uint64_t at, std::string& letters,
                Change change) const {
    const std::uint64_t piece_end = at + letters.size();
    for (; next < blocks.count; ++next) {
      const auto [start, end] = run(blocks, next);
      if (start >= piece_end) return;
      const auto first = static_cast<std::ptrdiff_t>(std::max(start, at) - at);
      const auto last = static_cast<std::ptrdiff_t>(std::min(end, piece_end) - at);
      std::transform(letters.begin() + first, letters.begin() + last, letters.begin() + first,
                     change);
      if (end > piece_end) return;
    }
  }

  /// The number at `at`, which moves behind it.
  std::uint32_t number(std::uint64_t& at, std::string_view what) const {
    need(at, 4, what);
    const std::uint32_t value = load(at);
    at += 4;
    return value;
  }

  [[nodiscard]] std::uint32_t load(std::uint64_t at) const {
    std::uint32_t value = 0;
    for (std::uint64_t i = 0; i < 4; ++i) {
      const std::uint32_t byte = bytes_[at + i];
      value |= byte << 8U * (swapped_ ? 3 - i : i);
    }
    return value;
  }

  void need(std::uint64_t at, std::uint64_t size, std::string_view what) const {
    if (at <= bytes_.size() && size <= bytes_.size() - at) return;
    fail(
        fmt::format("{} reaches past the file's end ({} bytes): the file is damaged or cut short; "
                    "fetch it again",
                    what, bytes_.size()));
  }

  [[noreturn]] void fail(std::string_view what) const {
    throw core::InputError(fmt::format("{}: 2bit: {}", name_, what));
  }

  std::string name_;
  MappedFile file_;
  std::span<const std::uint8_t> bytes_;
  bool swapped_ = false;  ///< most significant byte first
  std::uint64_t index_end_ = 0;
  std::vector<Record> records_;
};

}  // namespace

bool is_twobit(const std::filesystem::path& path) {
  std::array<unsigned char, 4> bytes{};
  std::ifstream file(path, std::ios::binary);
  if (!file.read(reinterpret_cast<char*>(bytes.data()), bytes.size())) return false;
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) value |= std::uint32_t{bytes[i]} << 8U * i;
  return value == kSignature || value == kSwapped;
}

void read_twobit(const std::filesystem::path& path, const TakeContig& take) {
  TwobitReader(path).read(take);
}

}  // namespace epi::data
