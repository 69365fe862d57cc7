// Five columns of each line; the rest, most of a large file, is passed over.
#include "data/formats/variants.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "core/error.hpp"
#include "data/formats/bcf.hpp"
#include "data/formats/columns.hpp"
#include "data/formats/text_file.hpp"

namespace epi::data {
namespace {

constexpr std::string_view kBases = "ACGT";
constexpr std::string_view kAlleleLetters = "ACGTNRYKMSWBDHVU";  // IUPAC's codes
constexpr std::string_view kFileFormat = "##fileformat=VCF";
constexpr std::string_view kContig = "##contig=<";
constexpr std::string_view kColumnLine = "#CHROM";
constexpr std::size_t kColumns = 5;  // CHROM POS ID REF ALT

char upper(char letter) {
  return static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
}

/// The value of `key` in "ID=chr1,length=249250621"; empty where there is none.
std::string_view value_of(std::string_view list, std::string_view key) {
  while (!list.empty()) {
    const std::string_view item = list.substr(0, list.find_first_of(",>"));
    if (item.starts_with(key) && item.substr(key.size()).starts_with('=')) {
      return item.substr(key.size() + 1);
    }
    list.remove_prefix(std::min(item.size() + 1, list.size()));
  }
  return {};
}

class VcfFile final : public VariantSource {
 public:
  explicit VcfFile(const std::filesystem::path& path) : file_(path) {
    std::string_view line;
    if (!file_.next_line(line) || !line.starts_with(kFileFormat)) {
      throw core::InputError(file_.name() +
                             ": neither VCF nor BCF; a VCF file begins with ##fileformat=VCF");
    }
    while (file_.next_line(line) && line.starts_with("##")) {
      if (line.starts_with(kContig)) add_contig(line.substr(kContig.size()));
    }
    if (!line.starts_with(kColumnLine)) file_.fail("the header ends without a #CHROM line");
  }

  [[nodiscard]] std::string_view form() const override { return "VCF"; }
  [[nodiscard]] const std::vector<ContigSize>& contigs() const override { return contigs_; }

  [[nodiscard]] bool next(Variant& variant) override {
    std::string_view line;
    do {
      if (!file_.next_line(line)) return false;
    } while (line.empty());
    read(line, variant);
    variant.record = ++num_records_;
    variant.line = file_.line_number();
    return true;
  }

 private:
  void add_contig(std::string_view list) {
    const std::string_view name = value_of(list, "ID");
    const std::string_view length = value_of(list, "length");
    if (name.empty() || !is_plain_text(name)) file_.fail("a contig without a name");
    contigs_.push_back({std::string(name),
                        length.empty() ? 0 : whole_number(file_, length, "length"),
                        file_.line_number()});
  }

  void read(std::string_view line, Variant& variant) const {
    std::string_view columns[kColumns];
    for (std::size_t i = 0; i < kColumns; ++i) {
      if (line.empty()) {
        file_.fail(
            fmt::format("{} columns; expected CHROM POS ID REF ALT ..., separated by tabs", i));
      }
      columns[i] = line.substr(0, line.find('\t'));
      line.remove_prefix(std::min(columns[i].size() + 1, line.size()));
    }
    if (columns[0].empty() || !is_plain_text(columns[0])) file_.fail("the contig has no name");
    variant.contig = columns[0];
    variant.position_bp = whole_number(file_, columns[1], "POS") - 1;
    variant.id = columns[2] == "." ? std::string_view() : columns[2];
    if (!is_spelled_out(columns[3])) {
      file_.fail(fmt::format("REF '{}' is no sequence of bases", columns[3]));
    }
    variant.ref = columns[3];
    read_alts(columns[4], variant.alts);
  }

  void read_alts(std::string_view text, std::vector<std::string>& alts) const {
    alts.clear();
    if (text == ".") return;
    while (true) {
      const std::size_t end = text.find(',');
      alts.emplace_back(text.substr(0, end));
      if (alts.back().empty()) file_.fail("ALT holds an empty allele");
      if (end == std::string_view::npos) return;
      text.remove_prefix(end + 1);
    }
  }

  TextFile file_;
  std::vector<ContigSize> contigs_;
  std::int64_t num_records_ = 0;
};

}  // namespace

bool is_spelled_out(std::string_view allele) {
  return !allele.empty() && std::all_of(allele.begin(), allele.end(), [](char letter) {
    return kAlleleLetters.find(upper(letter)) != std::string_view::npos;
  });
}

std::unique_ptr<VariantSource> open_variants(const std::filesystem::path& path) {
  if (is_bcf(path)) return open_bcf(path);
  return std::make_unique<VcfFile>(path);
}

std::string_view name_of(RefCheck check) {
  constexpr std::string_view kNames[kNumRefChecks] = {"match", "mismatch", "undecided", "past end",
                                                      "unknown contig"};
  return kNames[static_cast<std::size_t>(check)];
}

RefCheck check_ref(const Variant& variant, const BasesOf& genome) {
  const auto length = static_cast<std::int64_t>(variant.ref.size());
  const Range range{variant.position_bp, variant.position_bp + length};
  const auto bases = genome(variant.contig, range);
  if (!bases) return RefCheck::unknown_contig;
  if (bases->size() != variant.ref.size()) return RefCheck::past_end;
  bool decided = true;
  for (std::size_t i = 0; i < bases->size(); ++i) {
    const bool both = kBases.find(upper(variant.ref[i])) != std::string_view::npos &&
                      kBases.find((*bases)[i]) != std::string_view::npos;
    if (both && upper(variant.ref[i]) != (*bases)[i]) return RefCheck::mismatch;
    decided = decided && both;
  }
  return decided ? RefCheck::match : RefCheck::undecided;
}

void count_ref(const Variant& variant, const BasesOf& genome, RefCounts& counts) {
  const RefCheck check = check_ref(variant, genome);
  ++counts.count[static_cast<std::size_t>(check)];
  if (check != RefCheck::mismatch || counts.mismatches.size() >= kShownMismatches) return;
  const auto length = static_cast<std::int64_t>(variant.ref.size());
  const auto bases =
      genome(variant.contig, {variant.position_bp, variant.position_bp + length}).value_or("");
  counts.mismatches.push_back(fmt::format("{}:{} REF {}, the genome has {}", variant.contig,
                                          variant.position_bp + 1, variant.ref, bases));
}

}  // namespace epi::data
