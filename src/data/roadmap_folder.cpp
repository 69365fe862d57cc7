// Names are sorted before anything is decided: folders list them in any order.
#include "data/roadmap_folder.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <system_error>
#include <tuple>

#include "core/error.hpp"
#include "data/path_status.hpp"

namespace epi::data {
namespace {

namespace fs = std::filesystem;

using NamesOfCell = std::map<std::size_t, std::vector<SegmentationName>>;  // by epigenome
using Forms = std::pair<SegmentationForm, SegmentationForm>;               // taken, left aside

/// All names of files in the folder, sorted.
std::vector<std::string> files_in(const fs::path& folder) {
  const fs::file_status status = status_of(folder);
  if (!fs::exists(status)) throw core::MissingError(folder.string() + ": no such folder");
  if (!fs::is_directory(status)) {
    throw core::InputError(folder.string() + ": is a file; expected a folder of segmentations");
  }
  std::vector<std::string> names;
  std::error_code problem;
  for (auto it = fs::directory_iterator(folder, problem); !problem && it != fs::end(it);
       it.increment(problem)) {
    if (fs::is_regular_file(status_of(it->path()))) names.push_back(it->path().filename().string());
  }
  if (problem) {
    throw core::IoError(fmt::format("{}: cannot be read: {}", folder.string(), problem.message()));
  }
  std::ranges::sort(names);
  return names;
}

/// "E001, E002, E003 and 12 more".
std::string listed(const std::vector<std::string>& items, std::size_t most) {
  const std::size_t shown = items.size() > most ? most : items.size();
  const auto last = items.begin() + static_cast<std::ptrdiff_t>(shown);
  std::string text = fmt::format("{}", fmt::join(items.begin(), last, ", "));
  if (shown < items.size()) text += fmt::format(" and {} more", items.size() - shown);
  return text;
}

const std::string& eid_of(std::size_t epigenome) {
  return roadmap_epigenomes()[epigenome].eid;
}

std::vector<std::string> eids_of(const std::vector<std::size_t>& epigenomes) {
  std::vector<std::string> eids;
  for (const std::size_t epigenome : epigenomes) eids.push_back(eid_of(epigenome));
  return eids;
}

/// A name beside the one '*' of a pattern.
bool matches(const std::string& name, const std::string& pattern) {
  const std::size_t star = pattern.find('*');
  const std::string_view tail = std::string_view(pattern).substr(star + 1);
  return name.size() + 1 >= pattern.size() && name.starts_with(pattern.substr(0, star)) &&
         name.ends_with(tail);
}

std::string describe(const std::map<SegmentationSet, NamesOfCell>& sets) {
  std::vector<std::string> texts;
  for (const auto& [set, cells] : sets) {
    texts.push_back(fmt::format("{} ({} epigenomes)", text_of(set), cells.size()));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

constexpr const char* kExpected =
    "expected names such as E003_15_coreMarks_mnemonics.bed.gz, E003_18_core_K27ac_mnemonics.bed.gz"
    ", E003_25_imputed12marks_mnemonics.bed.gz or test1.3.bb (IDEAS); for files named by EID alone "
    "give --model";

SegmentationSet the_only_set(const fs::path& folder, std::size_t num_files,
                             const std::map<SegmentationSet, NamesOfCell>& sets) {
  if (sets.empty()) {
    throw core::MissingError(fmt::format("{}: none of {} files is a segmentation by its name; {}",
                                         folder.string(), num_files, kExpected));
  }
  if (sets.size() > 1) {
    throw core::UsageError(fmt::format("{}: several sets of segmentations: {}; choose with --model",
                                       folder.string(), describe(sets)));
  }
  return sets.begin()->first;
}

/// Takes one form of a cell's segmentation, notes the forms left aside.
class Choice {
 public:
  Choice(const fs::path& folder, const std::vector<std::string>& names)
      : folder_(folder), names_(names) {}

  FoundSegmentation take(std::vector<SegmentationName> names) {
    std::ranges::sort(names, {}, [](const SegmentationName& n) {
      return std::tuple(n.form, n.is_piece(), n.pattern, n.name);
    });
    const SegmentationName& best = names.front();
    FoundSegmentation found{best.epigenome, best.form, best.name, 0};
    for (const SegmentationName& name : names) {
      if (name.pattern == best.pattern) {
        ++found.num_files;
      } else {
        left_[{best.form, name.form}].push_back(best.epigenome);
      }
    }
    if (found.num_files > 1) found.file = safe_pattern(best.pattern, found.num_files);
    return found;
  }

  void add_notes(std::vector<std::string>& notes) const {
    for (auto [forms, epigenomes] : left_) {
      epigenomes.erase(std::unique(epigenomes.begin(), epigenomes.end()), epigenomes.end());
      notes.push_back(fmt::format(
          "{} has more than one file: {} taken, {} left aside", listed(eids_of(epigenomes), 5),
          text_of(forms.first),
          forms.first == forms.second ? "another name of the same form" : text_of(forms.second)));
    }
  }

 private:
  /// The sheet's reader takes every file that a pattern fits: so it may fit no other.
  const std::string& safe_pattern(const std::string& pattern, std::int64_t count) const {
    std::vector<std::string> fitting;
    for (const std::string& name : names_) {
      if (matches(name, pattern)) fitting.push_back(name);
    }
    if (static_cast<std::int64_t>(fitting.size()) != count) {
      throw core::InputError(
          fmt::format("{}: {} would take {} files that are no one segmentation ({}): move those of "
                      "another model or form to another folder",
                      folder_.string(), pattern, fitting.size(), listed(fitting, 3)));
    }
    return pattern;
  }

  const fs::path& folder_;
  const std::vector<std::string>& names_;
  std::map<Forms, std::vector<std::size_t>> left_;
};

/// Signs of an incomplete or mixed download.
void add_doubts(RoadmapFolder& folder) {
  std::map<SegmentationForm, std::vector<std::size_t>> forms;
  std::map<std::int64_t, std::vector<std::size_t>> counts;
  std::vector<std::size_t> unpublished;
  for (const FoundSegmentation& found : folder.found) {
    forms[found.form].push_back(found.epigenome);
    counts[found.num_files].push_back(found.epigenome);
    if (!has_segmentation(roadmap_epigenomes()[found.epigenome], folder.set)) {
      unpublished.push_back(found.epigenome);
    }
  }
  if (forms.size() > 1) {
    for (const auto& [form, epigenomes] : forms) {
      folder.notes.push_back(
          fmt::format("the forms differ, and states may be written differently: "
                      "{} of {}",
                      text_of(form), listed(eids_of(epigenomes), 5)));
    }
  }
  if (counts.size() > 1) {
    for (const auto& [count, epigenomes] : counts) {
      folder.notes.push_back(fmt::format("the numbers of files differ: {} of {}", count,
                                         listed(eids_of(epigenomes), 5)));
    }
  }
  if (!unpublished.empty()) {
    folder.notes.push_back(
        fmt::format("{} has no H3K27ac by Roadmap's table, but a file of the set {}",
                    listed(eids_of(unpublished), 5), text_of(folder.set)));
  }
}

std::int64_t num_published(SegmentationSet set) {
  return std::ranges::count_if(roadmap_epigenomes(),
                               [&](const Epigenome& e) { return has_segmentation(e, set); });
}

/// `folder` as seen from the sheet, ending in '/' unless it is the same.
std::string prefix_from(const fs::path& folder, const fs::path& sheet_folder) {
  const fs::path from = fs::weakly_canonical(sheet_folder.empty() ? "." : sheet_folder);
  const std::string prefix = fs::weakly_canonical(folder).lexically_proximate(from).string();
  // A sheet's reader drops blanks around a field, and '#' begins a comment only before the cell.
  if (prefix.find_first_of("\t\n\r*") != std::string::npos || prefix.starts_with(' ')) {
    throw core::InputError(fmt::format(
        "{}: a sheet cannot name this folder; expected a path without tabs, line ends, '*' and "
        "blanks at its start: rename it, or put the sheet inside of it with --out",
        prefix));
  }
  return prefix == "." ? "" : prefix + "/";
}

}  // namespace

RoadmapFolder find_segmentations(const fs::path& folder, std::optional<SegmentationSet> set) {
  const std::vector<std::string> names = files_in(folder);
  RoadmapFolder result;
  std::map<SegmentationSet, NamesOfCell> sets;
  for (const std::string& name : names) {
    const auto read = read_segmentation_name(name);
    const bool is_unnamed = read && read->form == SegmentationForm::unnamed;
    if (!read || (is_unnamed && !set)) {
      ++result.num_unknown;
    } else {
      sets[is_unnamed ? *set : read->set][read->epigenome].push_back(*read);
    }
  }
  result.set = set ? *set : the_only_set(folder, names.size(), sets);
  if (!sets.contains(result.set)) {
    throw core::MissingError(fmt::format("{}: no segmentation of the set {}; found: {}; {}",
                                         folder.string(), text_of(result.set),
                                         sets.empty() ? "none" : describe(sets), kExpected));
  }
  Choice choice(folder, names);
  NamesOfCell& cells = sets[result.set];
  for (std::size_t i = 0; i < roadmap_epigenomes().size(); ++i) {
    const auto cell = cells.find(i);
    if (cell != cells.end()) {
      result.found.push_back(choice.take(cell->second));
    } else if (has_segmentation(roadmap_epigenomes()[i], result.set)) {
      result.missing.push_back(i);
    }
  }
  choice.add_notes(result.notes);
  add_doubts(result);
  return result;
}

std::string sheet_of(const RoadmapFolder& found, const fs::path& folder,
                     const fs::path& sheet_folder, MissingCells missing) {
  if (missing == MissingCells::error && !found.missing.empty()) {
    throw core::MissingError(fmt::format("{}: {} epigenomes of the set {} are not there: {}",
                                         folder.string(), found.missing.size(), text_of(found.set),
                                         fmt::join(eids_of(found.missing), ", ")));
  }
  const std::string prefix = prefix_from(folder, sheet_folder);
  std::map<std::size_t, std::string> paths;
  for (const FoundSegmentation& cell : found.found) paths[cell.epigenome] = prefix + cell.file;
  if (missing == MissingCells::list) {
    for (const std::size_t epigenome : found.missing) paths[epigenome];
  }
  std::string text = "cell\tname\tgroup\tpath\n";
  for (const auto& [epigenome, path] : paths) {
    const Epigenome& e = roadmap_epigenomes()[epigenome];
    text += fmt::format("{}\t{}\t{}\t{}\n", e.eid, e.name, e.group, path);
  }
  return text;
}

std::vector<std::string> summary_of(const RoadmapFolder& found) {
  const std::int64_t published = num_published(found.set);
  std::vector<std::string> lines = {fmt::format("set {}: {} of {} epigenomes found",
                                                text_of(found.set),
                                                published - std::ssize(found.missing), published)};
  if (!found.missing.empty()) {
    lines.push_back(fmt::format("missing: {}", fmt::join(eids_of(found.missing), ", ")));
  }
  if (found.num_unknown > 0) {
    lines.push_back(fmt::format("{} other files in the folder", found.num_unknown));
  }
  return lines;
}

}  // namespace epi::data
