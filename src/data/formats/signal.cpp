// One pass over the records; each adds to the bins it overlaps.
#include "data/formats/signal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>

#include "core/error.hpp"

namespace epi::data {
namespace {

struct Record {
  std::string_view contig;
  std::int64_t start = 0;
  std::int64_t end = 0;
  float value = 0;
};

// BigFile has judged the columns: they are there, and numbers.
Record parsed(std::string_view line) {
  Record record;
  const std::size_t tab = line.find('\t');
  record.contig = line.substr(0, tab);
  const char* last = line.data() + line.size();
  auto at = std::from_chars(line.data() + tab + 1, last, record.start);
  at = std::from_chars(at.ptr + 1, last, record.end);
  (void)std::from_chars(at.ptr + 1, last, record.value);
  return record;
}

/// No chromosome known is longer, and neither BAM nor our shards go further.
constexpr std::int64_t kLongestContigBp = std::numeric_limits<std::int32_t>::max();

/// Memory goes by the lengths that the file claims, so these are judged before anything else.
void check_lengths(const std::filesystem::path& path, const std::vector<ContigSize>& contigs) {
  for (const ContigSize& contig : contigs) {
    if (contig.length_bp <= kLongestContigBp) continue;
    throw core::InputError(fmt::format(
        "{}: contig {} has {} bases by the file's own table; at most {} are possible, so "
        "the file is damaged",
        path.string(), contig.name, contig.length_bp, kLongestContigBp));
  }
}

/// Sums and numbers of bases with a value, per bin of one contig.
class Bins {
 public:
  Bins(std::int64_t length_bp, const SignalBins& bins)
      : bin_bp_(bins.bin_bp),
        empty_(bins.gaps == Gaps::zero ? 0.0F : std::numeric_limits<float>::quiet_NaN()),
        size_(static_cast<std::size_t>((length_bp + bin_bp_ - 1) / bin_bp_)) {}

  void add(const Record& record) {
    // Most contigs of a header, alternative ones and scaffolds, have no record.
    sums_.resize(size_);
    covered_.resize(size_);
    const double value = record.value;
    for (std::int64_t at = record.start; at < record.end;) {
      const std::int64_t bin = at / bin_bp_;
      const std::int64_t until = std::min(record.end, (bin + 1) * bin_bp_);
      sums_[static_cast<std::size_t>(bin)] += static_cast<double>(until - at) * value;
      covered_[static_cast<std::size_t>(bin)] += until - at;
      at = until;
    }
  }

  [[nodiscard]] std::vector<float> means() const {
    std::vector<float> means(size_, empty_);
    for (std::size_t i = 0; i < covered_.size(); ++i) {
      if (covered_[i] == 0) continue;
      means[i] = static_cast<float>(sums_[i] / static_cast<double>(covered_[i]));
    }
    return means;
  }

 private:
  std::int64_t bin_bp_;
  float empty_;
  std::size_t size_;
  std::vector<double> sums_;
  std::vector<std::int64_t> covered_;
};

void expect_bigwig(const std::filesystem::path& path) {
  if (big_kind(path) != BigKind::bigbed) return;
  throw core::InputError(path.string() +
                         ": a bigBed where a bigWig is wanted: it has intervals, not a signal");
}

}  // namespace

void read_signal(const std::filesystem::path& path, const SignalBins& bins,
                 const BigFileLimits& limits, const TakeSignal& take) {
  core::require(bins.bin_bp > 0, "bins have a length");
  expect_bigwig(path);
  BigFile file(path, limits);
  check_lengths(path, file.contigs());
  std::size_t next = 0;  // the contig after the one being filled
  std::optional<Bins> filling;
  const auto hand_over = [&] {
    if (filling) take(file.contigs()[next - 1], filling->means());
    filling.reset();
  };
  const auto advance = [&] {
    hand_over();
    filling.emplace(file.contigs()[next].length_bp, bins);
    ++next;
  };
  std::string_view line;
  while (file.next_line(line)) {
    const Record record = parsed(line);
    while (next == 0 || file.contigs()[next - 1].name != record.contig) {
      if (next == file.contigs().size()) {
        throw core::InputError(fmt::format("{}: the records of contig {} lie in two places",
                                           path.string(), record.contig));
      }
      advance();
    }
    if (std::isnan(record.value)) continue;
    if (std::isinf(record.value)) {
      throw core::InputError(fmt::format("{}: an infinite value at {}:{}", path.string(),
                                         record.contig, record.start));
    }
    filling->add(record);
  }
  while (next < file.contigs().size()) advance();
  hand_over();
}

std::vector<float> bin_means(const std::filesystem::path& path, const std::string& contig,
                             std::int64_t length_bp, const SignalBins& bins,
                             const BigFileLimits& limits) {
  std::optional<std::vector<float>> found;
  std::string others;
  read_signal(path, bins, limits, [&](const ContigSize& size, std::span<const float> means) {
    if (others.size() < 200) others += (others.empty() ? "" : ", ") + size.name;
    if (size.name != contig) return;
    if (size.length_bp != length_bp) {
      throw core::InputError(
          fmt::format("{}: contig {} has {} bases there and {} in the genome: "
                      "another assembly?",
                      path.string(), contig, size.length_bp, length_bp));
    }
    found.emplace(means.begin(), means.end());
  });
  if (!found) {
    throw core::InputError(
        fmt::format("{}: no contig {}; it has {}", path.string(), contig, others));
  }
  return *std::move(found);
}

}  // namespace epi::data
