#include "data/formats/fasta.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/digest.hpp"
#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

struct Read {
  Contig contig;
  Ranges gaps;
  std::vector<std::uint8_t> bases;
};

std::vector<Read> read(const std::filesystem::path& path) {
  std::vector<Read> all;
  read_fasta(path, [&](const ContigSequence& sequence) {
    all.push_back({sequence.contig, sequence.gaps, {sequence.bases.begin(), sequence.bases.end()}});
  });
  return all;
}

std::vector<Read> read_text(std::string_view text) {
  const InputFolder folder;
  return read(folder.write("g.fa", text));
}

using Codes = std::vector<std::uint8_t>;

TEST(Fasta_codes, EveryKindOfLetter_hasItsCode) {
  const auto all = read_text(">x\nACGTNacgtnRu\n");
  ASSERT_EQ(1U, all.size());
  EXPECT_EQ((Codes{0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 4, 12}), all[0].bases);
  EXPECT_EQ(12, all[0].contig.length_bp);
  EXPECT_EQ(8, all[0].contig.acgt_bp);
  EXPECT_EQ(4, all[0].contig.soft_masked_bp);
  EXPECT_EQ(2, all[0].contig.iupac_bp);
  EXPECT_EQ(core::digest_of(std::as_bytes(std::span(all[0].bases))), all[0].contig.digest);
}

TEST(Fasta_layout, LinesAndLineEnds_doNotMatter) {
  const InputFolder folder;
  const auto expected = read(folder.write("a.fa", ">a\nACGTAC\n>b\nTTT\n"));
  for (const char* text : {">a x y\nAC\nGT\nAC\n\n>b\tz\n\nTTT",
                           ">a\r\nACG\r\nTAC\r\n>b\r\nTTT\r\n", "\n\n>a\nACGTAC\n>b\nTTT\n\n\n"}) {
    SCOPED_TRACE(text);
    const auto found = read(folder.write("b.fa", text));
    ASSERT_EQ(2U, found.size());
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(expected[i].contig.name, found[i].contig.name);
      EXPECT_EQ(expected[i].bases, found[i].bases);
    }
  }
}

TEST(Fasta_layout, OneLineBeyondABlock_isWhole) {
  const std::string bases(700'001, 'G');  // blocks are 256 kB
  const auto all = read_text(">long\n" + bases + "\n>next\nA\n");
  ASSERT_EQ(2U, all.size());
  EXPECT_EQ(700'001, all[0].contig.length_bp);
  EXPECT_EQ(Codes(700'001, 2), all[0].bases);
}

TEST(Fasta_layout, CrlfAcrossEveryBlockEnd_isOneLineEnd) {
  const InputFolder folder;
  for (std::size_t shift = 0; shift < 3; ++shift) {
    // The CR lies on, before or behind the last byte of the first block.
    const std::size_t bases = (std::size_t{1} << 18U) - 3 - shift;
    const auto all = read(folder.write("c.fa", ">x\n" + std::string(bases, 'A') + "\r\nCC\r\n"));
    ASSERT_EQ(1U, all.size());
    EXPECT_EQ(static_cast<std::int64_t>(bases) + 2, all[0].contig.length_bp);
  }
}

TEST(Fasta_compression, GzipAndBgzip_readAsPlain) {
  const InputFolder folder;
  for (const std::string& bytes : {std::string(kFastaText), gzip_bytes(), bgzip_bytes()}) {
    const auto all = read(folder.write("x.fa.gz", bytes));
    ASSERT_EQ(2U, all.size());
    EXPECT_EQ("one", all[0].contig.name);
    EXPECT_EQ((Codes{0, 1, 2, 3, 8, 9, 10, 11}), all[0].bases);
    EXPECT_EQ(30, all[1].contig.length_bp);
    EXPECT_EQ(18, all[1].contig.acgt_bp);
    EXPECT_EQ(6, all[1].contig.iupac_bp);
  }
  const auto cut = folder.write("cut.fa.gz", gzip_bytes().substr(0, 50));
  expect_input_error({cut.string(), "cut short"}, [&] { (void)read(cut); });
}

TEST(Fasta_md5, LettersInUpperCase_asSamtoolsDictGives) {
  // By samtools dict: IUPAC letters stay letters, U is one of them.
  EXPECT_EQ("b629129769d680ea56a86b9947019c5b", read_text(">x\nACGTNacg\ntnRu\n").at(0).contig.md5);
  const auto chr22 =
      read(std::filesystem::path(EPI_SOURCE_DIR) / "examples/data/sequence/chr22_part.fa.gz");
  EXPECT_EQ("1dd835907b31b36f20839239e9c14e5c", chr22.at(0).contig.md5);
  EXPECT_EQ(5'699'979, chr22.at(0).contig.acgt_bp);
}

TEST(Fasta_errors, LineOfAWrongLetter_isFoundFarIntoAPiece) {
  std::string text = ">x\n";
  for (int line = 2; line <= 4000; ++line) text += line == 3001 ? "ACG!T\r\n" : "ACGTTGCAAC\r\n";
  expect_input_error({":3001:", "'!'"}, [&] { (void)read_text(text); });
}

TEST(Fasta_index, ForeignFai_isNotRead) {
  const InputFolder folder;
  const auto path = folder.write("g.fa", ">x\nACGT\n");
  (void)folder.write("g.fa.fai", "y\t999\t0\t1\t1\n");
  EXPECT_EQ(4, read(path).at(0).contig.length_bp);
}

TEST(Fasta_gaps, RunsOfAHundred_areGapsShorterOnesAreNot) {
  const std::string n99(99, 'N'), n100(100, 'n');
  const auto all = read_text(">x\n" + n100 + "A" + n99 + "C\n" + n100 + "G" + n100 + n99 + "\n");
  EXPECT_EQ((Ranges{{0, 100}, {201, 301}, {302, 501}}),
            subtract({{0, 501}}, subtract({{0, 501}}, all.at(0).gaps)));
}

struct BadFasta {
  const char* text;
  std::vector<std::string> says;
};

TEST(Fasta_errors, EveryKindOfDamage_namesFileAndLine) {
  const std::vector<BadFasta> cases = {
      {">x\nAC\nAC-GT\n", {":3:", "'-'"}},
      {">x\nAC GT\n", {":2:", "0x20"}},
      {">x\nACGT*\n", {":2:", "'*'"}},
      {">x\nAC\rGT\n", {":2:", "0x0d"}},
      {"ACGT\n>x\nACGT\n", {":1:", "before the first header"}},
      {"@read\nACGT\n", {":1:"}},
      {">\nACGT\n", {":1:", "without a name"}},
      {"> x\nACGT\n", {":1:", "without a name"}},
      {">x\nA\n>y\nA\n>x other\nC\n", {":5:", "'x'", "line 1"}},
      {">x\n>y\nA\n", {":1:", "'x'", "no sequence"}},
      {">y\nA\n>x\n\n", {":3:", "'x'", "no sequence"}},
      {">caf\xe9\nA\n", {":1:", "UTF-8"}},
      {"", {"no contig"}},
      {"\n\n", {"no contig"}},
  };
  const InputFolder folder;
  for (const BadFasta& bad : cases) {
    SCOPED_TRACE(bad.text);
    const auto path = folder.write("bad.fa", bad.text);
    std::vector<std::string> says = bad.says;
    says.push_back(path.string());
    expect_input_error(says, [&] { (void)read(path); });
  }
}

}  // namespace
}  // namespace epi::data
