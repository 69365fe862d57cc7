// Variants: hand-made records, and ClinVar's on the bundled part of chromosome 22 of hg19.
#include "data/formats/variants.hpp"

#include <gtest/gtest.h>

#include "core/files.hpp"
#include "data/formats/genome_file.hpp"
#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

const std::filesystem::path kRoot = EPI_SOURCE_DIR;
const std::string kHead =
    "##fileformat=VCFv4.2\n##contig=<ID=c,length=12>\n"
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n";

std::vector<Variant> read_all(const std::filesystem::path& path) {
  const auto file = open_variants(path);
  std::vector<Variant> all;
  for (Variant variant; file->next(variant);) all.push_back(variant);
  return all;
}

/// One contig "c": ACGTNACGTACG.
std::optional<std::string> small_genome(std::string_view contig, Range range) {
  const std::string bases = "ACGTNACGTACG";
  if (contig != "c") return std::nullopt;
  const auto length = static_cast<std::int64_t>(bases.size());
  if (range.start_bp < 0 || range.start_bp >= length) return std::string();
  return bases.substr(static_cast<std::size_t>(range.start_bp),
                      static_cast<std::size_t>(range.end_bp - range.start_bp));
}

TEST(Variants, Records_ofAllKinds_areReadAsWritten) {
  const InputFolder folder;
  const auto all = read_all(folder.write("a.vcf", kHead + "c\t1\trs1\ta\tG,<DEL>,*\t.\tPASS\tX=1\n"
                                                          "c\t12\t.\tGT\t.\t.\t.\t.\n"
                                                          "other\t0\t.\tN\tN[c:2[\t.\t.\t.\n"));
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].contig, "c");
  EXPECT_EQ(all[0].position_bp, 0);
  EXPECT_EQ(all[0].id, "rs1");
  EXPECT_EQ(all[0].ref, "a");
  EXPECT_EQ(all[0].alts, (std::vector<std::string>{"G", "<DEL>", "*"}));
  EXPECT_EQ(all[0].record, 1);
  EXPECT_EQ(all[0].line, 4);
  EXPECT_EQ(all[1].id, "");
  EXPECT_TRUE(all[1].alts.empty());
  EXPECT_EQ(all[2].contig, "other");
  EXPECT_EQ(all[2].position_bp, -1);
  EXPECT_TRUE(is_spelled_out(all[0].alts[0]));
  for (const std::string text : {"<DEL>", "*", "N[c:2[", ""}) EXPECT_FALSE(is_spelled_out(text));
}

TEST(Variants, Ref_againstAGenome_isOneOfFive) {
  const auto check = [](const char* contig, std::int64_t position_bp, const char* ref) {
    return check_ref({contig, position_bp, "", ref, {}, 1, 1}, small_genome);
  };
  EXPECT_EQ(check("c", 0, "ACGT"), RefCheck::match);
  EXPECT_EQ(check("c", 0, "acgt"), RefCheck::match);
  EXPECT_EQ(check("c", 0, "ACGA"), RefCheck::mismatch);
  EXPECT_EQ(check("c", 2, "GTA"), RefCheck::undecided);
  EXPECT_EQ(check("c", 2, "GAN"), RefCheck::mismatch);
  EXPECT_EQ(check("c", 0, "N"), RefCheck::undecided);
  EXPECT_EQ(check("c", 11, "G"), RefCheck::match);
  EXPECT_EQ(check("c", 11, "GA"), RefCheck::past_end);
  EXPECT_EQ(check("c", 12, "A"), RefCheck::past_end);
  EXPECT_EQ(check("c", -1, "N"), RefCheck::past_end);
  EXPECT_EQ(check("d", 0, "A"), RefCheck::unknown_contig);
}

TEST(Variants, Counts_keepTheFirstMismatches) {
  RefCounts counts;
  for (int i = 0; i < 9; ++i) count_ref({"c", 1, "", "T", {}, 1, 1}, small_genome, counts);
  count_ref({"c", 1, "", "C", {}, 1, 1}, small_genome, counts);
  EXPECT_EQ(counts.of(RefCheck::mismatch), 9);
  EXPECT_EQ(counts.of(RefCheck::match), 1);
  ASSERT_EQ(counts.mismatches.size(), kShownMismatches);
  EXPECT_EQ(counts.mismatches[0], "c:2 REF T, the genome has C");
}

TEST(Variants, WrongFiles_areErrorsThatSayWhere) {
  const InputFolder folder;
  const auto refused = [&](const std::string& text, const std::vector<std::string>& parts) {
    const auto path = folder.write("bad.vcf", text);
    expect_input_error(parts, [&] { (void)read_all(path); });
  };
  refused("", {"bad.vcf", "neither VCF nor BCF"});
  refused("chr1\t0\t200\n", {"bad.vcf", "neither VCF nor BCF"});
  refused("##fileformat=VCFv4.2\n##contig=<ID=c>\n", {"bad.vcf", "header"});
  refused(kHead + "c\t5\t.\tA\tG\t.\t.\t.\nc\tx\t.\tA\tG\t.\t.\t.\n",
          {"bad.vcf:5", "POS 'x' is not a whole number"});
  refused(kHead + "c\t5\n", {"bad.vcf:4", "2 columns"});
  refused(kHead + "c\t5\t.\t<X>\tG\t.\t.\t.\n", {"bad.vcf:4", "REF '<X>'"});
  refused(kHead + "c\t5\t.\t.\tG\t.\t.\t.\n", {"bad.vcf:4", "REF '.'"});
  refused(kHead + "c\t5 \t.\tA\tG\n", {"bad.vcf:4", "POS '5 '"});
  refused(kHead + "c\t5\t.\tA\tG,\n", {"bad.vcf:4", "empty allele"});
  expect_error(core::ErrorKind::missing, {"nowhere.vcf"},
               [&] { (void)read_all(folder.path() / "nowhere.vcf"); });
}

TEST(Variants, CompressedFile_cutAnywhere_isAnError) {
  const InputFolder folder;
  for (const char* name :
       {"clinvar_donor_acceptor_chr22.vcf.gz", "clinvar_donor_acceptor_chr22.bcf"}) {
    const std::string whole = core::read_text(kRoot / "tests/data/files" / name);
    for (const std::size_t bytes : {whole.size() - 1, whole.size() - 28, whole.size() / 2}) {
      const auto path = folder.write("cut", std::string_view(whole).substr(0, bytes));
      expect_input_error({"cut"}, [&] { (void)read_all(path); });
    }
  }
}

TEST(Variants, ClinVar_asTextBgzipAndBcf_isTheSame) {
  const auto folder = kRoot / "tests/data/files";
  const auto text = read_all(folder / "clinvar_donor_acceptor_chr22.vcf");
  ASSERT_EQ(text.size(), 419U);
  EXPECT_EQ(text[0].position_bp, 41320485);
  EXPECT_EQ(text[0].line, 29);
  for (const char* name :
       {"clinvar_donor_acceptor_chr22.vcf.gz", "clinvar_donor_acceptor_chr22.bcf"}) {
    const auto other = read_all(folder / name);
    ASSERT_EQ(other.size(), text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
      EXPECT_EQ(other[i].contig, text[i].contig);
      EXPECT_EQ(other[i].position_bp, text[i].position_bp);
      EXPECT_EQ(other[i].ref, text[i].ref);
      EXPECT_EQ(other[i].alts, text[i].alts);
      EXPECT_EQ(other[i].id, text[i].id);
    }
  }
}

// The bundled contig is called "22" and ends at 22,000,000: awk '$2 <= 22000000' finds 28 records.
TEST(Variants, ClinVar_onChromosome22_agreesWithItsSequence) {
  std::string bases;
  read_genome(kRoot / "examples/data/sequence/chr22_part.fa.gz", [&](const ContigSequence& contig) {
    for (const std::uint8_t code : contig.bases) bases += "ACGTN"[code & core::kBaseMask];
  });
  const auto genome = [&](std::string_view contig, Range range) -> std::optional<std::string> {
    if (contig != "chr22") return std::nullopt;
    if (range.start_bp >= static_cast<std::int64_t>(bases.size())) return std::string();
    return bases.substr(static_cast<std::size_t>(range.start_bp),
                        static_cast<std::size_t>(range.end_bp - range.start_bp));
  };
  RefCounts counts;
  for (const Variant& variant :
       read_all(kRoot / "tests/data/files/clinvar_donor_acceptor_chr22.vcf")) {
    count_ref(variant, genome, counts);
  }
  EXPECT_EQ(counts.of(RefCheck::match), 28);
  EXPECT_EQ(counts.of(RefCheck::past_end), 391);
  EXPECT_EQ(counts.of(RefCheck::mismatch) + counts.of(RefCheck::undecided), 0);
}

}  // namespace
}  // namespace epi::data
