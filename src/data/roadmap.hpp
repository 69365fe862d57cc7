// The 127 reference epigenomes of the Roadmap Epigenomics project and the names under which their
// segmentations are published: ChromHMM's 15, 18 and 25 states and IDEAS's 20.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace epi::data {

struct Epigenome {
  std::string eid;            ///< "E003"
  std::int64_t ordinal = 0;   ///< 1..127: its place in the list, as IDEAS numbers its files
  std::string group;          ///< "ESC", "Brain", "ENCODE2012", ...
  std::string mnemonic;       ///< "ESC.H1"
  std::string name;           ///< "H1 Cells"
  std::string anatomy, type;  ///< "ESC", "PrimaryCulture"
  bool has_h3k27ac = false;   ///< so it has an 18-state segmentation
};

/// All of them by EID (tables/roadmap_epigenomes.tsv): E001 to E129 without E060 and E064.
[[nodiscard]] const std::vector<Epigenome>& roadmap_epigenomes();

enum class RoadmapModel : std::uint8_t { core15, core18, imputed25, ideas };

/// One published set of segmentations. Those lifted to hg38 are a set of their own: a sheet that
/// mixes assemblies is of no use.
struct SegmentationSet {
  RoadmapModel model = RoadmapModel::core15;
  bool lifted_to_hg38 = false;
  [[nodiscard]] auto operator<=>(const SegmentationSet&) const = default;
};

/// "15", "18-hg38lift", "ideas", ... and back; nothing for any other text.
[[nodiscard]] std::string text_of(SegmentationSet set);
[[nodiscard]] std::optional<SegmentationSet> segmentation_set(std::string_view text);
/// Every set that there is.
[[nodiscard]] std::vector<SegmentationSet> segmentation_sets();

/// Whether the set was published for this epigenome.
[[nodiscard]] bool has_segmentation(const Epigenome& epigenome, SegmentationSet set);

/// How a file writes its states, the most telling form first.
enum class SegmentationForm : std::uint8_t {
  bigbed,       ///< the only form of IDEAS
  mnemonics,    ///< "7_Enh"
  segments,     ///< "E7"
  stateno,      ///< "7"
  dense,        ///< nine columns with a colour, as BED or bigBed
  statebyline,  ///< one file per chromosome
  unnamed       ///< "E003.bed.gz": neither model nor form are in the name
};
/// "mnemonics", ...
[[nodiscard]] std::string_view text_of(SegmentationForm form);

/// What a file's name says.
struct SegmentationName {
  std::size_t epigenome = 0;  ///< index into roadmap_epigenomes()
  SegmentationSet set;        ///< says nothing for the form `unnamed`
  SegmentationForm form = SegmentationForm::mnemonics;
  std::string name;     ///< the whole name
  std::string pattern;  ///< with '*' for the chromosome of a piece, else the name
  /// Holds one chromosome, or some of them.
  [[nodiscard]] bool is_piece() const { return name != pattern; }
};

/// Reads a file's name, without folder; nothing where it follows no published pattern or its
/// epigenome does not exist:
///
///   chromhmm := EID "_" marks ["_hg38lift"] "_" form ["." contigs] ext     E003_15_coreMarks_...
///   marks    := "15_coreMarks" | "18_core_K27ac" | "25_imputed12marks", followed by ["_" contig],
///               or with the contig in place of the number: "chr22_core_K27ac"
///   ideas    := "test1." ordinal ".bb"
///   unnamed  := EID ".bed" [".gz"]
[[nodiscard]] std::optional<SegmentationName> read_segmentation_name(std::string_view name);

}  // namespace epi::data
