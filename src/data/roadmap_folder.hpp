// The segmentations of Roadmap's epigenomes in a folder of downloaded files, and the sample sheet
// that names them: nobody should type 127 lines.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/roadmap.hpp"

namespace epi::data {

/// One epigenome's segmentation in the folder.
struct FoundSegmentation {
  std::size_t epigenome = 0;  ///< index into roadmap_epigenomes()
  SegmentationForm form = SegmentationForm::mnemonics;
  std::string file;  ///< name in the folder; with '*' when several files make it up
  std::int64_t num_files = 1;
};

struct RoadmapFolder {
  SegmentationSet set;
  std::vector<FoundSegmentation> found;  ///< by EID
  std::vector<std::size_t> missing;      ///< epigenomes of the set that the folder lacks, by EID
  std::vector<std::string> notes;        ///< what a user should look at; one line each
  std::int64_t num_unknown = 0;          ///< files whose names say nothing here
};

/// Looks at the names in `folder`, not below it. Of several forms of one segmentation the most
/// telling is taken, whole files before pieces, and a note says so. Files named by EID alone count
/// only when `set` is given. MissingError when the folder is not there or holds no segmentation (of
/// that set); UsageError listing the sets when there are several and none was asked for; InputError
/// when a pattern with '*' would also take a file that is no part of the segmentation.
[[nodiscard]] RoadmapFolder find_segmentations(const std::filesystem::path& folder,
                                               std::optional<SegmentationSet> set = std::nullopt);

/// What to do with epigenomes that the folder lacks.
enum class MissingCells : std::uint8_t {
  skip,  ///< leave them out
  list,  ///< list them without a path: every state missing
  error  ///< MissingError that names them
};

/// The sheet (grammar in formats/sheet.hpp): cell, name, group and path, with paths relative to
/// `sheet_folder`. InputError when `folder` has a name that a sheet cannot hold.
[[nodiscard]] std::string sheet_of(const RoadmapFolder& found, const std::filesystem::path& folder,
                                   const std::filesystem::path& sheet_folder, MissingCells missing);

/// What was found and what was not, for people.
[[nodiscard]] std::vector<std::string> summary_of(const RoadmapFolder& found);

}  // namespace epi::data
