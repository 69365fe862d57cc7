// Agreement with tools that users trust, on the real files of examples/data: bases of a store
// against samtools, states against bedtools, to the last letter. Places are drawn at random, from
// the whole contigs, gaps and cut ends included.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "core/corpus.hpp"
#include "data/store.hpp"
#include "launch/program.hpp"

namespace epi::launch_test {
namespace {

namespace fs = std::filesystem;

constexpr int kPlaces = 1000;
constexpr std::int64_t kLongestBp = 3000;

/// What a shell line prints; a failure of the test where it fails.
std::string output_of(const std::string& line, const fs::path& folder) {
  Outcome outcome = run(line, folder);
  EXPECT_EQ(outcome.code, 0) << line << "\n" << outcome.err;
  return std::move(outcome.out);
}

bool is_there(const std::string& tool, const fs::path& folder) {
  return run(tool + " --version", folder).code == 0;
}

struct Place {
  std::string contig;
  std::int64_t start_bp = 0, end_bp = 0;
};

/// The example's store, made once by the program from unpacked copies: samtools writes its index
/// beside a FASTA file.
class Agreement : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = fresh_folder("agreement");
    const std::string data = "'" EPI_SOURCE_DIR "/examples/data";
    (void)output_of("for part in chr20 chr22; do gzip -dc " + data +
                        "'/sequence/${part}_part.fa.gz > $part.fa; done; cp -r " + data +
                        "'/states " + data + "'/roadmap25.tsv .",
                    folder_);
    prepared_ = epitrain(
        "prepare --genome chr20.fa chr22.fa --states roadmap25.tsv --alias-chr --valid chr20 --out "
        "store",
        folder_);
  }
  void SetUp() override { ASSERT_EQ(prepared_.code, 0) << prepared_.all(); }

  /// Random places on all contigs; starts are multiples of `step_bp`.
  static std::vector<Place> places(const data::Manifest& manifest, std::int64_t step_bp,
                                   std::int64_t longest_bp) {
    std::mt19937_64 random(20);
    std::vector<Place> drawn;
    while (drawn.size() < kPlaces) {
      const auto& contig = manifest.contigs[random() % manifest.contigs.size()];
      const auto start_bp =
          static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(contig.length_bp)) /
          step_bp * step_bp;
      const auto length_bp =
          1 + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(longest_bp));
      drawn.push_back({contig.name, start_bp,
                       std::min(start_bp + (step_bp > 1 ? step_bp : length_bp), contig.length_bp)});
    }
    return drawn;
  }

  /// The segment of a store that holds a base; none in long gaps, which are not stored.
  static const core::SegmentView* segment_at(const data::Store& store, const std::string& contig,
                                             std::int64_t at_bp) {
    for (const auto& segment : store.corpus().segments) {
      const auto& name = store.manifest().contigs[static_cast<std::size_t>(segment.contig)].name;
      const std::int64_t end_bp = segment.start_bp + segment.length_bp;
      if (name == contig && at_bp >= segment.start_bp && at_bp < end_bp) return &segment;
    }
    return nullptr;
  }

  /// A base as a letter, lower case where soft-masked; N where nothing is stored.
  static char base_at(const data::Store& store, const std::string& contig, std::int64_t at_bp) {
    const core::SegmentView* segment = segment_at(store, contig, at_bp);
    if (segment == nullptr) return 'N';
    const std::uint8_t code = segment->bases[at_bp - segment->start_bp];
    const char letter = "ACGTN"[code & core::kBaseMask];
    return (code & core::kSoftMasked) != 0 ? static_cast<char>(std::tolower(letter)) : letter;
  }

  static fs::path folder_;
  static Outcome prepared_;
};
fs::path Agreement::folder_;
Outcome Agreement::prepared_;

TEST_F(Agreement, basesOfRandomPlaces_areThoseOfSamtoolsFaidx) {
  if (!is_there("samtools", folder_)) GTEST_SKIP() << "no samtools: bases are NOT compared";
  const data::Store store = data::Store::open(folder_ / "store", true);
  const std::vector<Place> drawn = places(store.manifest(), 1, kLongestBp);
  std::string regions;
  for (const Place& place : drawn) {
    regions += place.contig + ":" + std::to_string(place.start_bp + 1) + "-" +
               std::to_string(place.end_bp) + "\n";
  }
  write(folder_ / "regions", regions);
  // One line of sequence behind each header.
  std::istringstream found(output_of(
      "cat chr20.fa chr22.fa > both.fa && samtools faidx -n 1000000 -r regions both.fa", folder_));
  std::int64_t bases = 0, stored = 0;
  for (const Place& place : drawn) {
    std::string header, expected, ours;
    ASSERT_TRUE(std::getline(found, header) && std::getline(found, expected)) << place.start_bp;
    for (std::int64_t at = place.start_bp; at < place.end_bp; ++at) {
      ours += base_at(store, place.contig, at);
      stored += segment_at(store, place.contig, at) != nullptr ? 1 : 0;
    }
    // Where nothing is stored samtools finds N, in whichever case.
    ASSERT_EQ(ours, expected) << header;
    bases += std::ssize(ours);
  }
  EXPECT_GT(bases, kPlaces * kLongestBp / 4);
  EXPECT_GT(stored, bases / 10);
}

TEST_F(Agreement, digestsOfWholeContigs_areThoseOfSamtoolsDict) {
  if (!is_there("samtools", folder_)) GTEST_SKIP() << "no samtools: contigs are NOT compared";
  const data::Store store = data::Store::open(folder_ / "store");
  std::istringstream lines(output_of("samtools dict chr20.fa && samtools dict chr22.fa", folder_));
  std::map<std::string, std::string> expected;  // contig -> "LN M5"
  for (std::string word, name, length; lines >> word;) {
    if (word.starts_with("SN:")) name = word.substr(3);
    if (word.starts_with("LN:")) length = word.substr(3);
    if (word.starts_with("M5:")) expected[name] = length + " " + word.substr(3);
  }
  std::map<std::string, std::string> ours;
  for (const data::Contig& contig : store.manifest().contigs) {
    ours[contig.name] = std::to_string(contig.length_bp) + " " + contig.md5;
  }
  EXPECT_EQ(ours, expected);
  EXPECT_EQ(ours.size(), 2U);
}

TEST_F(Agreement, statesOfRandomBins_areThoseOfBedtoolsIntersect) {
  if (!is_there("bedtools", folder_)) GTEST_SKIP() << "no bedtools: states are NOT compared";
  const data::Store store = data::Store::open(folder_ / "store", true);
  const auto corpus = store.corpus();
  std::vector<Place> drawn = places(store.manifest(), corpus.bin_bp, corpus.bin_bp);
  std::erase_if(drawn, [&](const Place& place) {
    return segment_at(store, place.contig, place.start_bp) == nullptr;
  });
  ASSERT_GT(drawn.size(), 100U);
  std::string bins;
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    // One of the FASTA files calls its contig 22, all segmentations call it chr22.
    const bool prefixed = drawn[i].contig.starts_with("chr");
    bins += (prefixed ? "" : "chr") + drawn[i].contig + "\t" + std::to_string(drawn[i].start_bp) +
            "\t" + std::to_string(drawn[i].end_bp) + "\t" + std::to_string(i) + "\n";
  }
  write(folder_ / "bins.bed", bins);
  ASSERT_EQ(corpus.num_cells, 11);
  for (std::int32_t cell = 0; cell < corpus.num_cells; ++cell) {
    const std::string source = store.manifest().cells[static_cast<std::size_t>(cell)].source;
    // Columns: the bin with its number, the interval with its state, bases shared.
    std::istringstream rows(
        output_of("bedtools intersect -wao -a bins.bed -b '" + source + "'", folder_));
    std::vector<std::string> expected(drawn.size());
    std::string bin_contig, contig, state;
    std::int64_t bin_start = 0, bin_end = 0, start = 0, end = 0, shared = 0;
    for (std::size_t i = 0; rows >> bin_contig >> bin_start >> bin_end >> i >> contig >> start >>
                            end >> state >> shared;) {
      expected.at(i) += state == "." ? "missing" : state;
      // One state covers the whole bin: no cut is involved that would need a rule.
      EXPECT_TRUE(state == "." || shared == bin_end - bin_start);
    }
    for (std::size_t i = 0; i < drawn.size(); ++i) {
      const core::SegmentView* segment = segment_at(store, drawn[i].contig, drawn[i].start_bp);
      const std::uint8_t code =
          segment->states[cell][(drawn[i].start_bp - segment->start_bp) / corpus.bin_bp];
      std::string ours = "missing";
      if (code != core::kStateMissing) {
        const data::State& known = store.manifest().states.at(code - 1U);
        ours = std::to_string(known.number) + "_" + known.label;
      }
      ASSERT_EQ(ours, expected[i]) << source << " " << drawn[i].contig << ":" << drawn[i].start_bp;
    }
  }
}

}  // namespace
}  // namespace epi::launch_test
