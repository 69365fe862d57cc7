// The hot loop is read_bed and add: 127 epigenomes of 444,000 lines each pass through it. What a
// line shares with the one before (its contig) or with an earlier one (its state's spelling) is
// compared, not looked up.
#include "data/formats/states_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <string_view>

#include "core/error.hpp"
#include "data/formats/bed.hpp"
#include "data/formats/state_grid.hpp"
#include "data/formats/state_lines.hpp"
#include "data/formats/state_names.hpp"
#include "data/path_status.hpp"

namespace epi::data {
namespace {

constexpr std::int64_t kSmallestBinBp = 10;
constexpr std::int32_t kMostLines = std::numeric_limits<std::int32_t>::max();

/// The number in "E13", "13" or "13_TssA", as a guess: parse_state decides what it really is.
std::size_t likely_number(std::string_view text) {
  std::size_t at = !text.empty() && text[0] >= 'A' ? 1 : 0;
  std::size_t number = 0;
  const std::size_t most = std::min(text.size(), at + 4);
  while (at < most && text[at] >= '0' && text[at] <= '9') {
    number = number * 10 + static_cast<std::size_t>(text[at++] - '0');
  }
  return number;
}

class TrackReader {
 public:
  explicit TrackReader(const StatesFormat& format) : format_(format) {
    for (const State& state : format.names)
      numbers_.emplace(plain_label(state.label), state.number);
  }

  void read(const std::filesystem::path& path) {
    begin(path);
    const BigKind kind = big_kind(path);
    if (kind == BigKind::bigwig) {
      throw core::InputError(file_ +
                             ": a bigWig holds signal, no states; expected BED, bigBed or "
                             "one state per line");
    }
    if (kind == BigKind::bigbed) {
      read_big(path);
    } else {
      read_text(path);
    }
    finish_file();
  }

  StateTrack take() {
    for (const Spelled& known : by_number_) {
      if (known.state.line > 0) track_.states.push_back(known.state);
    }
    track_.grid = join_grids(grids_, files_);
    return std::move(track_);
  }

 private:
  struct Spelled {
    NamedState state;  // line 0: not seen
    std::string text;  // as the file writes it
  };

  void begin(const std::filesystem::path& path) {
    file_ = path.string();
    files_.push_back(file_);
    first_contig_ = std::ssize(track_.contigs);
    current_ = track_.contigs.size();
    lines_grid_.reset();
    if (std::filesystem::is_directory(status_of(path))) {
      throw core::InputError(file_ + ": is a folder; expected a file with states");
    }
  }

  [[nodiscard]] std::size_t file_index() const { return files_.size() - 1; }
  /// "on line 3", or "at FILE:3" when that is another file.
  [[nodiscard]] std::string place_of(std::size_t file, std::int64_t line) const {
    return file == file_index() ? fmt::format("on line {}", line)
                                : fmt::format("at {}:{}", files_[file], line);
  }

  // ---- BED, as text and as bigBed

  void read_big(const std::filesystem::path& path) {
    BigFile big(path, format_.big);
    std::string_view line;
    BedRecord record;
    for (std::int64_t number = 1; big.next_line(line); ++number) {
      const LinePlace place{file_, number};
      if (parse_record(line, place, 4, record)) add(record, place);
    }
  }

  void read_text(const std::filesystem::path& path) {
    TextFile text(path);
    std::string_view line;
    if (!text.next_line(line)) throw core::InputError(file_ + ": is empty; expected states");
    if (!is_plain_text(line)) {
      text.fail("this is not text; expected BED, bigBed or one state per line");
    }
    if (begins_state_lines(line)) {
      add_lines(read_state_lines(text, std::string(line), format_.line_bin_bp));
    } else {
      read_bed(text, line);
    }
  }

  void read_bed(TextFile& text, std::string_view line) {
    BedRecord record;
    do {
      const LinePlace place{file_, text.line_number()};
      if (parse_record(line, place, 4, record)) add(record, place);
    } while (text.next_line(line));
  }

  void add(const BedRecord& record, const LinePlace& place) {
    const std::int32_t state = number_of(record.name, place);
    if (place.number > kMostLines) place.fail("too many lines");
    contig_of(record.contig, place)
        .intervals.push_back({record.range.start_bp, record.range.end_bp, state,
                              static_cast<std::int32_t>(place.number)});
  }

  // ---- names of states

  std::int32_t number_of(std::string_view text, const LinePlace& place) {
    const std::size_t likely = likely_number(text);
    if (likely < by_number_.size() && by_number_[likely].text == text) {
      return static_cast<std::int32_t>(likely);
    }
    text = text.substr(0, text.find_last_not_of(' ') + 1);
    const auto spelling = parse_state(text);
    const std::int32_t number = spelling ? spelling->number : number_of_label(text, place);
    note_state(text, spelling.value_or(StateSpelling{number, text, "Name"}), place);
    return number;
  }

  std::int32_t number_of_label(std::string_view text, const LinePlace& place) const {
    const auto known = numbers_.find(plain_label(text));
    if (known != numbers_.end()) return known->second;
    if (numbers_.empty()) {
      place.fail(
          fmt::format("state '{}' has no number; expected 'E1', '1_Name' or '1', or a table "
                      "of numbers and labels with --state-names",
                      text));
    }
    place.fail(
        fmt::format("state '{}' is no label of --state-names, nor 'E1', '1_Name' or '1'", text));
  }

  /// Keeps a state's first sighting and holds all later ones to it.
  void note_state(std::string_view text, const StateSpelling& found, const LinePlace& place) {
    const auto index = static_cast<std::size_t>(found.number);
    if (index >= by_number_.size()) by_number_.resize(index + 1);
    Spelled& known = by_number_[index];
    // A label of the names' list may come in two spellings; the first one stands.
    const bool same = found.style == "Name" || known.state.label == found.label;
    if (known.state.line > 0 && known.state.style == found.style && same) return;
    if (!style_.empty() && style_ != found.style) {
      place.fail(fmt::format("states are written like '{}' here and like '{}' {}", found.style,
                             style_, place_of(style_file_, style_line_)));
    }
    if (known.state.line > 0) {
      place.fail(fmt::format("state {} is named '{}' here and '{}' {}", found.number, found.label,
                             known.state.label, place_of(known.state.file, known.state.line)));
    }
    if (!is_plain_text(found.label)) place.fail("the state's name is not UTF-8 text");
    if (style_.empty()) {
      style_ = found.style;
      style_line_ = place.number;
      style_file_ = file_index();
    }
    known.state = {found.number, std::string(found.label), std::string(found.style), place.number,
                   file_index()};
    known.text = text;
  }

  // ---- contigs

  ContigTrack& contig_of(std::string_view name, const LinePlace& place) {
    // Neighbouring lines mostly share their contig.
    if (current_ < track_.contigs.size() && track_.contigs[current_].name == name) {
      return track_.contigs[current_];
    }
    const auto known = index_.find(name);
    if (known != index_.end()) {
      current_ = known->second;
      refuse_other_file(track_.contigs[current_], place);
    } else {
      if (!is_plain_text(name)) place.fail("the contig's name is not UTF-8 text");
      current_ = track_.contigs.size();
      index_.emplace(name, current_);
      track_.contigs.push_back({std::string(name), {}, file_index()});
    }
    return track_.contigs[current_];
  }

  void refuse_other_file(const ContigTrack& contig, const LinePlace& place) const {
    if (contig.file == file_index()) return;
    place.fail(
        fmt::format("contig '{}' has states {} too; a contig of a cell type lies in one file",
                    contig.name, place_of(contig.file, contig.intervals.front().line)));
  }

  // ---- one state per line

  void add_lines(StateLines lines) {
    if (cell_.empty()) {
      cell_ = lines.cell;
      cell_file_ = file_index();
    }
    const LinePlace header{file_, 1};
    if (cell_ != lines.cell) {
      header.fail(fmt::format("states of cell '{}', but of '{}' {}", lines.cell, cell_,
                              place_of(cell_file_, 1)));
    }
    for (std::size_t number = 0; number < lines.first_line.size(); ++number) {
      const std::int64_t line = lines.first_line[number];
      const std::string text = std::to_string(number);
      if (line == 0) continue;
      note_state(text, {static_cast<std::int32_t>(number), {}, lines.style}, {file_, line});
    }
    contig_of(lines.contig, header).intervals = std::move(lines.runs);
    // The runs of a quiet contig may show a coarser grid than its lines have.
    lines_grid_ = {format_.line_bin_bp, lines.bins - 1, 3, file_index()};
  }

  // ---- a file at its end

  void finish_file() {
    const std::span contigs(track_.contigs.begin() + first_contig_, track_.contigs.end());
    if (contigs.empty()) throw core::InputError(file_ + ": holds no interval");
    if (lines_grid_) {
      grids_.push_back(*lines_grid_);
      return;
    }
    for (ContigTrack& contig : contigs) sort(contig);
    grids_.push_back(measure_grid(contigs, file_index()));
    if (grids_.back().bin_bp > 0 && grids_.back().bin_bp < kSmallestBinBp) {
      refuse_shifted(contigs, file_);
    }
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
          file_, second, contig.name, all[i].start_bp, all[i].end_bp, first));
    }
  }

  const StatesFormat& format_;
  StateTrack track_;
  std::vector<std::string> files_;
  std::vector<Grid> grids_;         // of the files
  std::string file_;                // being read
  std::optional<Grid> lines_grid_;  // of that file, if it has one state per line
  std::ptrdiff_t first_contig_ = 0;
  std::size_t current_ = 0;  // of track_.contigs: where the last interval went
  std::vector<Spelled> by_number_;
  std::map<std::string, std::int32_t> numbers_;  // of labels, as format.names has them
  std::string style_;                            // of all states, and where it was first seen
  std::int64_t style_line_ = 0;
  std::size_t style_file_ = 0;
  std::string cell_;  // in the headers of files with one state per line
  std::size_t cell_file_ = 0;
  std::map<std::string, std::size_t, std::less<>> index_;
};

}  // namespace

StateTrack read_states(std::span<const std::filesystem::path> files, const StatesFormat& format) {
  core::require(!files.empty(), "read_states gets a file");
  core::require(format.line_bin_bp > 0, "a bin has bases");
  TrackReader reader(format);
  for (const std::filesystem::path& file : files) reader.read(file);
  return reader.take();
}

}  // namespace epi::data
