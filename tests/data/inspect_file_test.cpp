// A look at files of every kind: what they are, what they hold, whether they fit a store.
#include "data/inspect_file.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "data/store_fixture.hpp"
#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

const std::filesystem::path kRoot = EPI_SOURCE_DIR;

FileKind kind_of_text(const InputFolder& folder, const std::string& text) {
  return kind_of(folder.write("file", text));
}

TEST(FileKind_test, Texts_areToldByContent) {
  const InputFolder folder;
  const auto expect = [&](FileKind kind, const std::string& text) {
    EXPECT_EQ(name_of(kind_of_text(folder, text)), name_of(kind)) << text;
  };
  expect(FileKind::fasta, "\n>chr1 x\nACGT\n");
  expect(FileKind::variants, "##fileformat=VCFv4.2\n#CHROM\tPOS\n");
  expect(FileKind::states, "track name=x\nchr1\t0\t200\tE5\nchr1\t600\t800\tE6\n");
  expect(FileKind::states, "chr1\t0\t200\t1_TssA\t0\t.\t0\t200\t255,0,0\n");
  expect(FileKind::states, "chr1\t0\t200\t1\nchr1\t200\t800\t2\n");
  expect(FileKind::bed, "chr22\t20208963\t20209064\t0\nchr22\t29673572\t29673673\t1\n");
  expect(FileKind::bed, "chr1\t0\t200\tE5\nchr1\t600\t800\tenhancer\n");
  expect(FileKind::bed, "chr1 0 200\n");
  expect(FileKind::state_lines, "E003\tchr1\nMaxState E\n1\n");
  expect(FileKind::narrow_peaks, "c\t1\t9\t.\t0\t.\t1\t-1\t-1\t3\n");
  expect(FileKind::broad_peaks, "c\t1\t9\t.\t0\t.\t1.5\t-1\t-1\n");
  expect(FileKind::genes, "##gff-version 3\n");
  expect(FileKind::genes, "c\ts\tgene\t1\t9\t.\t+\t.\tgene_id \"g\";\n");
  expect(FileKind::labels, "chr\tstart\tstop\tA549\nchr1\t0\t200\tU\n");
  expect(FileKind::sheet, "cell\tname\tpath\nE1\tx\ty.bed\n");
  expect(FileKind::chrom_sizes, "chr1\t249250621\n");
  expect(FileKind::chrom_sizes, "22\t51304566\n");
  expect(FileKind::chrom_sizes, "chr1\t1000\t6\t60\t61\n");  // an index of samtools
  // samtools faidx of ">chr1\n", 1,000 bases in lines of 60, ">chrom2 x\n", 30 bases.
  expect(FileKind::chrom_sizes, "chr1\t1000\t6\t60\t61\nchrom2\t30\t1033\t30\t31\n");
  // BED with a number as name, and a score that is greater by one.
  expect(FileKind::bed, "chr1 0 200 1 2\n");
  expect(FileKind::bed, "chr1 100 200 1 2\nchr1 300 400 2 3\n");
  expect(FileKind::states, "chr1 0 200 1 2\nchr1 200 400 2 3\n");
  expect(FileKind::state_names, "1\tTssA\nE2\tTssFlnk\n");
  expect(FileKind::state_map, "1\t3\tx\n2\t-\n");
  expect(FileKind::aliases, "# names\nchr1\t1\tNC_000001.10\n");
}

TEST(FileKind_test, UnknownFiles_areQuoted) {
  const InputFolder folder;
  expect_input_error({"file", "is empty"}, [&] { (void)kind_of_text(folder, ""); });
  expect_input_error({"file:1", "'once upon a time'", "FASTA"},
                     [&] { (void)kind_of_text(folder, "once upon a time\n"); });
  expect_input_error({"file:1"}, [&] {
    (void)kind_of_text(folder, "id\ttissue\nBSS1\tabdominal fat\nBSS2\tabdominal fat\n");
  });
  expect_input_error({"file", "neither text nor"},
                     [&] { (void)kind_of_text(folder, std::string("\0\1\2\n", 4)); });
  expect_error(core::ErrorKind::missing, {"nowhere"},
               [&] { (void)kind_of(folder.path() / "nowhere"); });
}

FileReport report_of(const std::filesystem::path& path,
                     const std::optional<FileComparison>& comparison = std::nullopt) {
  return inspect_file(path, kind_of(path), comparison);
}

bool has_line(const FileReport& report, const std::string& part) {
  const auto lines = describe(report);
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return line.find(part) != std::string::npos; });
}

TEST(InspectFile, Segmentation_figures_areAsByHand) {
  const InputFolder folder;
  const FileReport report = report_of(
      folder.write("a.bed", "chr1\t0\t600\tE1\nchr1\t600\t1000\tE3\nchr2\t200\t600\tE1\n"));
  EXPECT_EQ(report.kind, FileKind::states);
  EXPECT_EQ(report.records, 3);
  EXPECT_EQ(report.bin_bp, 200);
  ASSERT_EQ(report.contigs.size(), 2U);
  EXPECT_EQ(report.contigs[1].start_bp, 200);
  EXPECT_EQ(report.contigs[1].end_bp, 600);
  ASSERT_EQ(report.states.size(), 2U);
  EXPECT_EQ(report.states[0].bases, 1000);
  EXPECT_EQ(report.states[1].number, 3);
  EXPECT_EQ(report.states[1].intervals, 1);
  EXPECT_TRUE(has_line(report, "2 states in bins of 200 bp, states written like E1"));
}

// ChromHMM's form has no coordinates: its bin is known from elsewhere.
TEST(InspectFile, StatePerLine_binIsAsGiven) {
  const InputFolder folder;
  const auto path = folder.write("a.txt", "E003\tchr1\nMaxState E\n1\n1\n2\n");
  EXPECT_EQ(inspect_file(path, kind_of(path), std::nullopt).contigs.at(0).end_bp, 600);
  EXPECT_EQ(inspect_file(path, kind_of(path), std::nullopt, 50).contigs.at(0).end_bp, 150);
}

TEST(InspectFile, FirstProblem_isTheReadersError) {
  const InputFolder folder;
  const auto path = folder.write("a.bed", "chr1\t0\t600\tE1\nchr1\t500\t1000\tE3\n");
  EXPECT_EQ(kind_of(path), FileKind::states);
  expect_input_error({"a.bed:2", "overlaps"}, [&] { (void)report_of(path); });
}

// zcat FILE | cut -f1,3 | sort -k1,1 -k2,2n
TEST(InspectFile, ChallengePeaks_countsAgreeWithAwk) {
  const FileReport report =
      report_of(kRoot / "tests/data/files/GM12878.RFX5.conservative.chr20_chr22.narrowPeak.gz");
  EXPECT_EQ(report.kind, FileKind::narrow_peaks);
  EXPECT_EQ(report.records, 180);
  ASSERT_EQ(report.contigs.size(), 2U);
  EXPECT_EQ(report.contigs[0].name, "chr22");
  EXPECT_EQ(report.contigs[0].records, 88);
  EXPECT_TRUE(has_line(report, "180 records have a summit"));
}

TEST(InspectFile, ClinVar_header_tellsTheAssembly) {
  for (const char* name :
       {"clinvar_donor_acceptor_chr22.vcf", "clinvar_donor_acceptor_chr22.bcf"}) {
    const FileReport report = report_of(kRoot / "tests/data/files" / name);
    EXPECT_EQ(report.kind, FileKind::variants);
    EXPECT_EQ(report.records, 419);
    EXPECT_EQ(report.assembly, "hg19");
    EXPECT_EQ(report.contigs[0].length_bp, 51304566);
    EXPECT_TRUE(has_line(report, "419 records change one base"));
  }
}

TEST(InspectFile, BundledStates_areOneModel) {
  const FileReport report = report_of(kRoot / "examples/data/states/E021.bed.gz");
  EXPECT_EQ(report.kind, FileKind::states);
  EXPECT_EQ(report.bin_bp, 200);
  EXPECT_EQ(report.states.size(), 25U);
  EXPECT_EQ(report.assembly, "hg19");
}

class InspectFileStore : public ::testing::Test {
 protected:
  InspectFileStore() {
    (void)testing_store();
    store_.emplace(Store::open(folder_.path() / "store"));
    comparison_ = {&*store_, ChrPrefix::matters, {}};
  }
  /// chrA of 9,001 bases and chrB of 4,321, states S1 to S5 in bins of 200.
  Manifest testing_store() {
    std::filesystem::create_directories(folder_.path() / "store");
    return epi::data::testing::write_store(folder_.path() / "store");
  }
  InputFolder folder_;
  std::optional<Store> store_;
  FileComparison comparison_;
};

TEST_F(InspectFileStore, Bed_pastEndsAndUnknownNames_areCounted) {
  const auto path =
      folder_.write("a.bed", "chrA\t0\t9001\nchrA\t9000\t9002\nA\t1\t2\nchrB\t5\t6\n");
  const FileReport report = report_of(path, comparison_);
  ASSERT_EQ(report.contigs.size(), 3U);
  EXPECT_EQ(report.contigs[0].past_end, 1);
  EXPECT_EQ(report.contigs[0].in_store, 0);
  EXPECT_FALSE(report.contigs[1].in_store);
  EXPECT_TRUE(has_line(report, "2 of 3 contigs are in the store, which has 2"));
  EXPECT_TRUE(has_line(report, "--alias-chr"));
  comparison_.prefix = ChrPrefix::optional;
  EXPECT_EQ(report_of(path, comparison_).contigs[1].in_store, 0);
}

TEST_F(InspectFileStore, Variants_refs_areComparedWithItsBases) {
  const auto content = epi::data::testing::random_content(2, 4001);  // chrA from 5,000 on
  std::size_t at = 0;
  while ((content.bases[at] & core::kBaseMask) == core::kBaseN) ++at;
  const char base = "ACGT"[content.bases[at] & core::kBaseMask];
  const char other = base == 'A' ? 'C' : 'A';
  const auto line = [&](const std::string& contig, std::size_t position, char ref) {
    return fmt::format("{}\t{}\t.\t{}\tT\t.\t.\t.\n", contig, position, ref);
  };
  const auto path = folder_.write(
      "a.vcf", "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" +
                   line("chrA", 5001 + at, base) + line("chrA", 5001 + at, other) +
                   line("chrA", 9002, 'A') + line("chrC", 1, 'A'));
  const FileReport report = report_of(path, comparison_);
  ASSERT_TRUE(report.refs);
  for (const RefCheck check :
       {RefCheck::match, RefCheck::mismatch, RefCheck::past_end, RefCheck::unknown_contig}) {
    EXPECT_EQ(report.refs->of(check), 1) << name_of(check);
  }
  EXPECT_TRUE(has_line(report, fmt::format("chrA:{} REF {}", 5001 + at, other)));
}

TEST_F(InspectFileStore, Segmentation_ofOtherBinsAndStates_isTold) {
  std::string text;
  for (int i = 0; i < 40; ++i) {
    text += fmt::format("chrA\t{}\t{}\tE{}\n", 100 * i, 100 * i + 100, i % 2 == 0 ? 1 : 9);
  }
  const FileReport report = report_of(folder_.write("a.bed", text), comparison_);
  EXPECT_TRUE(has_line(report, "OTHER BINS: the store has 200 bp"));
  EXPECT_TRUE(has_line(report, "state 9 is not in the store"));
}

TEST_F(InspectFileStore, StatePerLine_isReadInTheStoresBins) {
  const std::int64_t bin_bp = store_->manifest().bin_bp;
  const auto path = folder_.write("a.txt", "E003\tchrA\nMaxState E\n1\n1\n2\n");
  EXPECT_EQ(report_of(path, comparison_).contigs.at(0).end_bp, 3 * bin_bp);
  EXPECT_EQ(inspect_file(path, kind_of(path), comparison_, 50).contigs.at(0).end_bp, 150);
}

TEST_F(InspectFileStore, Lengths_ofChromSizes_areCompared) {
  const FileReport report =
      report_of(folder_.write("a.sizes", "chrA\t9001\nchrB\t4000\n"), comparison_);
  EXPECT_EQ(report.kind, FileKind::chrom_sizes);
  EXPECT_EQ(report.contigs[0].note, "same length");
  EXPECT_EQ(report.contigs[1].note, "OTHER LENGTH");
}

}  // namespace
}  // namespace epi::data
