// Lengths and MD5s in these tests are those that UCSC and the 1000 Genomes Project publish.
#include "data/assembly.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "data/formats/genome_file.hpp"
#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

Contig contig(const std::string& name, std::int64_t length_bp, const std::string& md5 = "other") {
  Contig made;
  made.name = name;
  made.length_bp = length_bp;
  made.md5 = md5;
  return made;
}

AssemblyGuess guess(const std::vector<Contig>& contigs) {
  return assembly_of(contigs);
}

const char* const kChr22Hg19 = "a718acaa6135fdca8357d5bfe94211dd";
const char* const kChr22Hg38 = "ac37ec46683600f808cdd41eac1d55cd";
const char* const kRevisedMt = "c68f52674c9fb33aef52dcf399755519";

TEST(KnownContigs_table, EveryRow_isComplete) {
  std::set<std::string> md5s;
  std::int64_t hg19_bp = 0, hg38_bp = 0;
  for (const KnownContig& known : known_contigs()) {
    EXPECT_FALSE(known.refseq.empty());
    EXPECT_FALSE(known.md5s.empty());
    for (const std::string& md5 : known.md5s) {
      EXPECT_EQ(32U, md5.size());
      EXPECT_EQ(std::string::npos, md5.find_first_not_of("0123456789abcdef"));
      EXPECT_TRUE(md5s.insert(md5).second || md5 == kRevisedMt) << md5;
    }
    if (known.ucsc == "chrM" || known.ensembl == "MT") continue;
    (known.assembly == "hg19" ? hg19_bp : hg38_bp) += known.length_bp;
  }
  EXPECT_EQ((std::vector<std::string>{"hg19", "hg38"}), known_assemblies());
  // Chromosomes 1-22, X and Y: sums of UCSC's chrom.sizes.
  EXPECT_EQ(3'095'677'412, hg19_bp);
  EXPECT_EQ(3'088'269'832, hg38_bp);
}

TEST(AssemblyOf_sequences, KnownMd5_decidesUnderAnyName) {
  const auto found = guess({contig("my22", 51'304'566, kChr22Hg19), contig("scaffold_1", 1000)});
  EXPECT_EQ("hg19", found.name);
  EXPECT_EQ(Evidence::sequences, found.evidence);
  EXPECT_TRUE(found.altered.empty());
  EXPECT_EQ("hg38", guess({contig("22", 50'818'468, kChr22Hg38)}).name);
}

// hg18, hg19 and others share this sequence, NC_001807.
TEST(AssemblyOf_sequences, RealChrm_hasItsMd5AndTellsNothing) {
  std::vector<Contig> contigs;
  read_genome(std::filesystem::path(EPI_SOURCE_DIR) / "tests/data/files/hg19.chrM.2bit",
              [&](const ContigSequence& sequence) { contigs.push_back(sequence.contig); });
  ASSERT_EQ(1U, contigs.size());
  EXPECT_EQ("d2ed829b8a1628d16cbeee88e88e39eb", contigs[0].md5);
  EXPECT_EQ("", guess(contigs).name);
}

// Lengths of hg18 as UCSC publishes them.
TEST(AssemblyOf_sequences, Hg18_isNotTakenForHg19) {
  const Contig mitochondrion = contig("chrM", 16'571, "d2ed829b8a1628d16cbeee88e88e39eb");
  const Contig chr21 = contig("chr21", 46'944'323), chr22 = contig("chr22", 49'691'432);
  EXPECT_EQ("", guess({chr22, mitochondrion}).name);
  EXPECT_EQ("", guess({chr21, chr22, contig("chrM", 16'571)}).name);
  EXPECT_EQ("", assembly_of_ends({{"chr22", 49'691'400}, {"chrM", 16'571}}, 1));
  EXPECT_EQ("hg19", guess({mitochondrion, contig("chr22", 51'304'566, kChr22Hg19)}).name);
}

TEST(AssemblyOf_sequences, MitochondrionOfBoth_tellsNothing) {
  for (const char* name : {"MT", "chrM", "NC_012920.1"}) {
    EXPECT_EQ("", guess({contig(name, 16'569, kRevisedMt)}).name) << name;
    EXPECT_EQ("", guess({contig(name, 16'569)}).name) << name;
    const auto mixed = guess({contig(name, 16'569, kRevisedMt), contig("1", 249'250'621)});
    EXPECT_EQ("hg19", mixed.name) << name;
  }
}

TEST(AssemblyOf_lengths, MaskedContig_isToldByLengthAndListed) {
  for (const char* name : {"chr20", "20", "NC_000020.10"}) {
    const auto found = guess({contig(name, 63'025'520)});
    EXPECT_EQ("hg19", found.name);
    EXPECT_EQ(Evidence::lengths, found.evidence);
    EXPECT_EQ(std::vector<std::string>{name}, found.altered);
  }
  EXPECT_TRUE(guess({contig("chr20", 63'025'520, "")}).altered.empty());  // an old store
  EXPECT_EQ("", guess({contig("scaffold", 63'025'520)}).name);
  EXPECT_EQ("", guess({contig("chr21", 63'025'520)}).name);
}

TEST(AssemblyOf_lengths, CutContig_isNotKnown) {
  const auto found = guess({contig("22", 22'000'000)});
  EXPECT_EQ("", found.name);
  EXPECT_EQ(Evidence::none, found.evidence);
  EXPECT_EQ("", guess({}).name);
}

TEST(AssemblyOf_lengths, CutContigBesideAWholeOne_isListedAndKeepsTheName) {
  const auto found = guess({contig("20", 63'025'520), contig("22", 22'000'000)});
  EXPECT_EQ("hg19", found.name);
  EXPECT_EQ(std::vector<std::string>{"22"}, found.contradicting);
  EXPECT_EQ("", found.almost);
}

TEST(AssemblyOf_lengths, MostOrLongerChromosomes_takeTheNameAway) {
  const Contig whole = contig("20", 63'025'520);
  const auto most = guess({whole, contig("22", 22'000'000), contig("21", 48'000'000)});
  EXPECT_EQ("", most.name);
  EXPECT_EQ("hg19", most.almost);
  EXPECT_EQ(Evidence::none, most.evidence);
  EXPECT_TRUE(most.altered.empty());
  EXPECT_EQ((std::vector<std::string>{"22", "21"}), most.contradicting);
  EXPECT_EQ("", guess({whole, contig("22", 51'304'567)}).name);
  EXPECT_EQ("", guess({whole, contig("NC_000022.11", 1000)}).name) << "hg38's name";
  EXPECT_EQ("hg19", guess({whole, contig("a", 1), contig("b", 2), contig("c", 3)}).name);
}

TEST(AssemblyOf_mixed, TwoAssemblies_namesOneContigOfEach) {
  expect_input_error({"chr20", "length of hg19", "'22'", "hg38", "sequence"}, [] {
    (void)guess({contig("chr20", 63'025'520), contig("22", 50'818'468, kChr22Hg38)});
  });
}

TEST(AssemblyOfEnds_bins, EndsWithinABin_tell) {
  EXPECT_EQ("hg19", assembly_of_ends({{"chr22", 51'304'400}}, 200));
  EXPECT_EQ("hg19", assembly_of_ends({{"22", 51'304'566}, {"1", 1000}}, 200));
  EXPECT_EQ("hg19", assembly_of_ends({{"chr22", 51'300'000}}, 5000));
  EXPECT_EQ("", assembly_of_ends({{"chr22", 51'300'000}}, 200));
  EXPECT_EQ("hg38", assembly_of_ends({{"chr22", 50'818'468}, {"chrM", 16'569}}, 200));
  EXPECT_EQ("", assembly_of_ends({{"chrM", 16'569}}, 200));
  EXPECT_EQ("", assembly_of_ends({{"chr22", 50'818'468}, {"chr20", 63'025'520}}, 200));
  EXPECT_EQ("", assembly_of_ends({{"scaffold", 51'304'566}}, 200));
  EXPECT_EQ("", assembly_of_ends({{"chr22", 51'304'566}, {"chr20", 63'025'721}}, 200));
}

}  // namespace
}  // namespace epi::data
