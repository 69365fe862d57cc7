// The table is part of the program; names are taken apart from left to right.
#include "data/roadmap.hpp"

#include <array>
#include <charconv>
#include <utility>

#include "core/error.hpp"
#include "data/tables.hpp"

namespace epi::data {
namespace {

std::int64_t number_in(std::string_view text) {
  std::int64_t value = -1;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  return problem == std::errc() && end == text.data() + text.size() ? value : -1;
}

/// The next part of `text` up to `separator`; both are taken off.
std::string_view cut(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return part;
}

Epigenome epigenome_of(std::string_view line) {
  std::array<std::string, 8> fields;
  for (std::string& field : fields) field = cut(line, '\t');
  core::require(line.empty() && !fields[7].empty(), "the table of epigenomes has eight columns");
  return {fields[0], number_in(fields[1]), fields[2], fields[3], fields[4], fields[5],
          fields[6], fields[7] == "yes"};
}

std::vector<Epigenome> read_table() {
  std::vector<Epigenome> epigenomes;
  std::string_view text = roadmap_epigenomes_table();
  bool header = true;
  while (!text.empty()) {
    const std::string_view line = cut(text, '\n');
    if (line.empty() || line[0] == '#') continue;
    if (!std::exchange(header, false)) epigenomes.push_back(epigenome_of(line));
  }
  core::require(epigenomes.size() == 127, "the table of epigenomes has 127 rows");
  return epigenomes;
}

struct NamedModel {
  RoadmapModel model;
  std::string_view text;    // as in --model
  std::string_view number;  // as files begin after the EID
  std::string_view marks;
};
constexpr std::array<NamedModel, 4> kModels = {{
    {RoadmapModel::core15, "15", "15_", "coreMarks"},
    {RoadmapModel::core18, "18", "18_", "core_K27ac"},
    {RoadmapModel::imputed25, "25", "25_", "imputed12marks"},
    {RoadmapModel::ideas, "ideas", "", ""},
}};
constexpr std::string_view kLifted = "-hg38lift";

struct NamedForm {
  SegmentationForm form;
  std::string_view text;
};
constexpr std::array<NamedForm, 7> kForms = {{
    {SegmentationForm::bigbed, "bigBed"},
    {SegmentationForm::mnemonics, "mnemonics"},
    {SegmentationForm::segments, "segments"},
    {SegmentationForm::stateno, "stateno"},
    {SegmentationForm::dense, "dense"},
    {SegmentationForm::statebyline, "statebyline"},
    {SegmentationForm::unnamed, "unnamed"},
}};

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// Takes "chr22" with the separator behind it.
bool take_contig(std::string_view& text, char separator) {
  if (!text.starts_with("chr") || text.find(separator) == std::string_view::npos) return false;
  return !cut(text, separator).empty();
}

/// Index of the epigenome of this EID or ordinal.
template <class Matches>
std::optional<std::size_t> epigenome_where(const Matches& matches) {
  const auto& all = roadmap_epigenomes();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (matches(all[i])) return i;
  }
  return std::nullopt;
}

std::optional<SegmentationName> read_ideas(std::string_view name, std::string_view rest) {
  const std::int64_t ordinal = number_in(cut(rest, '.'));
  if (rest != "bb") return std::nullopt;
  const auto index = epigenome_where([&](const Epigenome& e) { return e.ordinal == ordinal; });
  if (!index) return std::nullopt;
  return SegmentationName{*index,
                          {RoadmapModel::ideas, false},
                          SegmentationForm::bigbed,
                          std::string(name),
                          std::string(name)};
}

/// The model, in either spelling; `contig` is the contig that stood before the marks.
std::optional<RoadmapModel> take_marks(std::string_view& rest, bool contig) {
  for (const NamedModel& known : kModels) {
    std::string_view tail = rest;
    if (known.marks.empty() || (!contig && !take(tail, known.number))) continue;
    if (!take(tail, known.marks) || !take(tail, "_")) continue;
    rest = tail;
    return known.model;
  }
  return std::nullopt;
}

/// Extensions that readers of this form know.
bool fits(SegmentationForm form, std::string_view extension) {
  if (form == SegmentationForm::statebyline) return extension == "txt" || extension == "txt.gz";
  if (form == SegmentationForm::dense && extension == "bb") return true;
  return extension == "bed" || extension == "bed.gz";
}

std::optional<SegmentationForm> take_form(std::string_view& rest) {
  const std::string_view text = cut(rest, '.');
  for (const NamedForm& known : kForms) {
    const bool is_in_names =
        known.form != SegmentationForm::bigbed && known.form != SegmentationForm::unnamed;
    if (is_in_names && known.text == text) return known.form;
  }
  return std::nullopt;
}

/// The name with '*' for its part from `begin` to `end`.
std::string starred(std::string_view name, std::size_t begin, std::size_t end) {
  return std::string(name.substr(0, begin)) + "*" + std::string(name.substr(end));
}

/// What follows "EID_". Offsets count from the end of the name, which `rest` shares.
std::optional<SegmentationName> read_chromhmm(std::string_view name, std::string_view rest,
                                              std::size_t epigenome) {
  SegmentationName found{epigenome, {}, {}, std::string(name), std::string(name)};
  const auto take_piece = [&](char separator) {
    const std::size_t begin = name.size() - rest.size();
    if (!take_contig(rest, separator)) return false;
    found.pattern = starred(name, begin, name.size() - rest.size() - 1);
    return true;
  };
  const bool contig_first = take_piece('_');
  const auto model = take_marks(rest, contig_first);
  if (!model) return std::nullopt;
  found.set = {*model, take(rest, "hg38lift_")};
  if (!found.is_piece()) static_cast<void>(take_piece('_'));
  const auto form = take_form(rest);
  if (!form) return std::nullopt;
  if (!found.is_piece()) static_cast<void>(take_piece('.'));
  found.form = *form;
  if (!fits(found.form, rest)) return std::nullopt;
  return found;
}

}  // namespace

const std::vector<Epigenome>& roadmap_epigenomes() {
  static const std::vector<Epigenome> kEpigenomes = read_table();
  return kEpigenomes;
}

std::string text_of(SegmentationSet set) {
  for (const NamedModel& known : kModels) {
    if (known.model != set.model) continue;
    return std::string(known.text) + std::string(set.lifted_to_hg38 ? kLifted : "");
  }
  throw core::LogicError("a set of segmentations without a name");
}

std::vector<SegmentationSet> segmentation_sets() {
  std::vector<SegmentationSet> sets;
  for (const NamedModel& known : kModels) {
    sets.push_back({known.model, false});
    if (known.model != RoadmapModel::ideas) sets.push_back({known.model, true});
  }
  return sets;
}

std::optional<SegmentationSet> segmentation_set(std::string_view text) {
  for (const SegmentationSet set : segmentation_sets()) {
    if (text_of(set) == text) return set;
  }
  return std::nullopt;
}

bool has_segmentation(const Epigenome& epigenome, SegmentationSet set) {
  return set.model != RoadmapModel::core18 || epigenome.has_h3k27ac;
}

std::string_view text_of(SegmentationForm form) {
  return kForms.at(static_cast<std::size_t>(form)).text;
}

std::optional<SegmentationName> read_segmentation_name(std::string_view name) {
  std::string_view rest = name;
  if (take(rest, "test1.")) return read_ideas(name, rest);
  const std::string_view eid = rest.substr(0, 4);
  const auto index = epigenome_where([&](const Epigenome& e) { return e.eid == eid; });
  if (!index) return std::nullopt;
  rest.remove_prefix(eid.size());
  if (take(rest, "_")) return read_chromhmm(name, rest, *index);
  if (rest != ".bed" && rest != ".bed.gz") return std::nullopt;
  return SegmentationName{
      *index, {}, SegmentationForm::unnamed, std::string(name), std::string(name)};
}

}  // namespace epi::data
