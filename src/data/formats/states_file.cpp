// The hot loop is add(): 127 epigenomes of 444,000 lines each pass through it.
#include "data/formats/states_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <numeric>
#include <string_view>

#include "core/error.hpp"
#include "data/formats/bed.hpp"

namespace epi::data {
namespace {

constexpr std::int32_t kHighestNumber = 9999;  // more is not a state's number but a score or an id
constexpr std::string_view kForms = "expected 'E1', '1_Name' or '1'";

struct StateName {
  std::int32_t number;
  std::string_view label, style;
};

/// Splits a state's name into number, label and the form it is written in.
StateName parse_state(const TextFile& file, std::string_view text) {
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  std::string_view digits = text;
  std::string_view style = "1";
  // ChromHMM's prefix says how states were ordered: by emission, transition or user.
  if (!text.empty() && (text[0] == 'E' || text[0] == 'T' || text[0] == 'U')) {
    style = text[0] == 'E' ? "E1" : text[0] == 'T' ? "T1" : "U1";
    digits.remove_prefix(1);
  }
  std::int32_t number = -1;
  const char* last = digits.data() + digits.size();
  const auto [end, problem] = std::from_chars(digits.data(), last, number);
  std::string_view label;
  if (problem == std::errc() && end != last && *end == '_' && style == "1") {
    style = "1_Name";
    label = std::string_view(end + 1, static_cast<std::size_t>(last - end - 1));
  }
  const bool whole = problem == std::errc() && (end == last || !label.empty());
  if (!whole || number < 0 || number > kHighestNumber) {
    file.fail(fmt::format("state '{}' has no known form; {}", text, kForms));
  }
  return {number, label, style};
}

class TrackReader {
 public:
  explicit TrackReader(const std::filesystem::path& path) : file_(path) {}

  StateTrack read() {
    BedRecord record;
    while (next_record(file_, 4, record)) add(record);
    if (track_.contigs.empty()) throw core::InputError(file_.name() + ": holds no interval");
    for (ContigTrack& contig : track_.contigs) {
      sort(contig);
      measure_grid(contig);
    }
    for (const NamedState& state : by_number_) {
      if (state.line > 0) track_.states.push_back(state);
    }
    return std::move(track_);
  }

 private:
  void add(const BedRecord& record) {
    const StateName name = parse_state(file_, record.name);
    note_state(name);
    if (file_.line_number() > std::numeric_limits<std::int32_t>::max())
      file_.fail("too many lines");
    contig_of(record.contig)
        .intervals.push_back({record.range.start_bp, record.range.end_bp, name.number,
                              static_cast<std::int32_t>(file_.line_number())});
  }

  /// Keeps a state's first sighting and holds all later ones to it.
  void note_state(const StateName& name) {
    const auto index = static_cast<std::size_t>(name.number);
    if (index >= by_number_.size()) by_number_.resize(index + 1);
    NamedState& known = by_number_[index];
    if (known.line > 0 && known.label == name.label && known.style == name.style) return;
    if (known.line > 0) {
      file_.fail(fmt::format("state {} is named '{}' here and '{}' on line {}", name.number,
                             name.label, known.label, known.line));
    }
    if (style_line_ > 0 && style_ != name.style) {
      file_.fail(fmt::format("states are written like '{}' here and like '{}' on line {}",
                             name.style, style_, style_line_));
    }
    if (!is_plain_text(name.label)) file_.fail("the state's name is not UTF-8 text");
    style_ = name.style;
    style_line_ = file_.line_number();
    known = {name.number, std::string(name.label), std::string(name.style), file_.line_number()};
  }

  ContigTrack& contig_of(std::string_view name) {
    // Neighbouring lines mostly share their contig.
    if (current_ < track_.contigs.size() && track_.contigs[current_].name == name) {
      return track_.contigs[current_];
    }
    const auto known = index_.find(name);
    if (known != index_.end()) {
      current_ = known->second;
    } else {
      if (!is_plain_text(name)) file_.fail("the contig's name is not UTF-8 text");
      current_ = track_.contigs.size();
      index_.emplace(name, current_);
      track_.contigs.push_back({std::string(name), {}});
    }
    return track_.contigs[current_];
  }

  void sort(ContigTrack& contig) const {
    const auto by_start = [](const StateInterval& a, const StateInterval& b) {
      return a.start_bp < b.start_bp;
    };
    std::vector<StateInterval>& all = contig.intervals;
    // Most files are sorted; stable, so that of two equal starts the later line is the culprit.
    if (!std::is_sorted(all.begin(), all.end(), by_start)) {
      std::stable_sort(all.begin(), all.end(), by_start);
    }
    for (std::size_t i = 1; i < all.size(); ++i) {
      if (all[i].start_bp >= all[i - 1].end_bp) continue;
      const auto [first, second] = std::minmax(all[i - 1].line, all[i].line);
      throw core::InputError(fmt::format(
          "{}:{}: {}:{}-{} overlaps the interval of line {}; every base has at most one state",
          file_.name(), second, contig.name, all[i].start_bp, all[i].end_bp, first));
    }
  }

  /// Starts and inner ends; see the header for why not the last end.
  void measure_grid(const ContigTrack& contig) {
    for (std::size_t i = 0; i < contig.intervals.size(); ++i) {
      const StateInterval& interval = contig.intervals[i];
      add_boundary(interval.start_bp, interval.line);
      if (i + 1 < contig.intervals.size()) add_boundary(interval.end_bp, interval.line);
    }
  }

  void add_boundary(std::int64_t at_bp, std::int64_t line) {
    if (at_bp == 0) return;
    Grid& grid = track_.grid;
    ++grid.boundaries;
    // The common case is one division; the divisor falls a few times per file.
    if (grid.bin_bp != 0 && at_bp % grid.bin_bp == 0) return;
    grid.bin_bp = std::gcd(grid.bin_bp, at_bp);
    grid.line = line;
  }

  TextFile file_;
  StateTrack track_;
  std::vector<NamedState> by_number_;  // line 0: not seen
  std::string style_;
  std::int64_t style_line_ = 0;
  std::map<std::string, std::size_t, std::less<>> index_;
  std::size_t current_ = 0;
};

}  // namespace

StateTrack read_states(std::span<const std::filesystem::path> files,
                       const StatesFormat& /*format*/) {
  return TrackReader(files.front()).read();
}

}  // namespace epi::data
