// The layout is that of Kent and others (Bioinformatics 26:2204, 2010; supplementary tables 5-14):
// a common header of 64 bytes, 24 for each zoom level, an index that begins with its own 48 bytes.
#include "data/formats/big_header.hpp"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <initializer_list>
#include <string>

#include "core/error.hpp"
#include "data/path_status.hpp"

namespace epi::data {
namespace {

constexpr std::uint32_t kBigWigMagic = 0x888FFC26;
constexpr std::uint32_t kBigBedMagic = 0x8789F2EB;
constexpr std::uint32_t kIndexMagic = 0x2468ACE0;
constexpr std::uint64_t kHeaderBytes = 64;
constexpr std::uint64_t kZoomBytes = 24;
constexpr std::uint64_t kIndexBytes = 48;
constexpr std::uint64_t kContigTableBytes = 32;
constexpr std::uint64_t kCountBytes = 8;

constexpr std::uint32_t swapped(std::uint32_t value) {
  return (value >> 24U) | ((value >> 8U) & 0xff00U) | ((value << 8U) & 0xff0000U) | (value << 24U);
}

/// The file, read in pieces that are known to lie in it.
class Pieces {
 public:
  explicit Pieces(const std::filesystem::path& path) : name_(path.string()) {
    const std::filesystem::file_status status = status_of(path);
    if (status.type() == std::filesystem::file_type::not_found) {
      throw core::MissingError(name_ + ": no such file");
    }
    if (status.type() != std::filesystem::file_type::regular) fail("not a regular file");
    in_.open(path, std::ios::binary | std::ios::ate);
    if (!in_) {
      throw core::IoError(fmt::format("{}: cannot open: {}", name_, std::strerror(errno)));
    }
    size_ = static_cast<std::uint64_t>(in_.tellg());
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw core::InputError(name_ + ": " + what);
  }

  /// `bytes` from `offset` on lie in the file.
  void expect_inside(const char* what, std::uint64_t offset, std::uint64_t bytes) const {
    if (offset <= size_ && bytes <= size_ - offset) return;
    fail(
        fmt::format("its {} should end at byte {} but the file has {}: it is cut short or damaged; "
                    "fetch it again",
                    what, offset + bytes, size_));
  }

  template <class Number>
  Number at(std::uint64_t offset) {
    Number value{};
    std::array<char, sizeof(Number)> bytes{};
    in_.seekg(static_cast<std::streamoff>(offset));
    if (!in_.read(bytes.data(), bytes.size())) throw core::IoError(name_ + ": cannot read");
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }
  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  std::string name_;
  std::ifstream in_;
  std::uint64_t size_ = 0;
};

struct Place {
  const char* what;
  std::uint64_t at;     ///< where in the header the offset stands
  std::uint64_t bytes;  ///< how long the thing it points to is at least
  bool optional;        ///< 0 means that there is none
};

void expect_places(Pieces& file) {
  for (const Place& place :
       {Place{"contig table", 8, kContigTableBytes, false}, Place{"data", 16, kCountBytes, false},
        Place{"index", 24, kIndexBytes, false}, Place{"schema", 36, 1, true},
        Place{"summary", 44, 40, true}, Place{"extension", 56, 1, true}}) {
    const auto offset = file.at<std::uint64_t>(place.at);
    if (place.optional && offset == 0) continue;
    if (offset < kHeaderBytes) file.fail(fmt::format("its {} lies in its header", place.what));
    file.expect_inside(place.what, offset, place.bytes);
  }
}

void expect_zooms(Pieces& file) {
  const auto levels = file.at<std::uint16_t>(6);
  file.expect_inside("header", kHeaderBytes, levels * kZoomBytes);
  for (std::uint64_t level = 0; level < levels; ++level) {
    const std::uint64_t entry = kHeaderBytes + level * kZoomBytes;
    file.expect_inside("summary for browsers", file.at<std::uint64_t>(entry + 8), 4);
    file.expect_inside("index of its summary", file.at<std::uint64_t>(entry + 16), kIndexBytes);
  }
}

void expect_index(Pieces& file) {
  const auto index = file.at<std::uint64_t>(24);
  if (file.at<std::uint32_t>(index) != kIndexMagic) {
    file.fail("where its index should be is something else: the file is damaged; fetch it again");
  }
  file.expect_inside("data", file.at<std::uint64_t>(index + 32), 0);
}

BigKind kind_of(std::uint32_t magic) {
  if (magic == kBigBedMagic || magic == swapped(kBigBedMagic)) return BigKind::bigbed;
  if (magic == kBigWigMagic || magic == swapped(kBigWigMagic)) return BigKind::bigwig;
  return BigKind::none;
}

}  // namespace

BigKind big_kind(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::array<char, 4> bytes{};
  if (!in.read(bytes.data(), bytes.size())) return BigKind::none;
  return kind_of(std::bit_cast<std::uint32_t>(bytes));
}

BigHeader read_big_header(const std::filesystem::path& path) {
  Pieces file(path);
  if (file.size() < sizeof(std::uint32_t)) file.fail("neither bigBed nor bigWig: too short");
  const auto magic = file.at<std::uint32_t>(0);
  BigHeader header{kind_of(magic), std::nullopt, std::nullopt};
  if (header.kind == BigKind::none) file.fail("neither bigBed nor bigWig");
  if (magic != kBigBedMagic && magic != kBigWigMagic) {
    file.fail("written by a computer of the other byte order; write it anew on one like this");
  }
  file.expect_inside("header", 0, kHeaderBytes);
  expect_places(file);
  expect_zooms(file);
  expect_index(file);
  const auto blocks = file.at<std::uint64_t>(file.at<std::uint64_t>(24) + 8);
  const auto count = file.at<std::uint64_t>(file.at<std::uint64_t>(16));
  // Some writers leave the count of records empty or put the number of blocks there. A block of a
  // bigWig lies in one contig, so that all are seen once; one of a bigBed may lie in several.
  if (header.kind == BigKind::bigwig) header.blocks = blocks;
  if (header.kind == BigKind::bigbed && count != 0 && count != blocks) header.records = count;
  return header;
}

}  // namespace epi::data
