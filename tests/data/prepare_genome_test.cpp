// A real genome through `prepare`: hg19's mitochondrion as 2bit, under the name that its file has,
// with segmentations, aliases and sizes that call it otherwise.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "data/prepare.hpp"
#include "data/prepare_inputs.hpp"
#include "data/store.hpp"

namespace epi::data {
namespace {

/// One cell with states on chrM, and what --alias and --sizes need to match `hg19_chrM`.
PrepareOptions chrm_options(const InputFolder& folder) {
  PrepareOptions options;
  options.genomes = {std::filesystem::path(EPI_SOURCE_DIR) / "tests/data/files/hg19.chrM.2bit"};
  (void)folder.write("a.bed", "chrM\t0\t400\tE1\nchrM\t400\t600\tE2\nchrM\t600\t16571\tE1\n");
  options.sheet = folder.write("sheet.tsv", "cell\tname\tpath\nA\tcell A\ta.bed\n");
  options.alias = folder.write("names.tsv", "hg19_chrM\tchrM\tNC_001807.4\n").string();
  options.sizes = folder.write("sizes.txt", "chr1\t249250621\nNC_001807.4\t16571\n");
  options.out = folder.path() / "store";
  return options;
}

TEST(PrepareGenome_twobit, AliasesAndSizes_giveAStore) {
  const InputFolder folder;
  const PrepareOptions options = chrm_options(folder);
  (void)prepare(options);
  const Store store = Store::open(options.out, true);
  const Manifest& manifest = store.manifest();
  EXPECT_EQ("", manifest.assembly) << "hg18 has the same mitochondrion";
  ASSERT_EQ(1U, manifest.contigs.size());
  EXPECT_EQ("hg19_chrM", manifest.contigs[0].name);
  EXPECT_EQ("d2ed829b8a1628d16cbeee88e88e39eb", manifest.contigs[0].md5);
  const core::SegmentView& segment = store.corpus().segments.front();
  // The sequence starts with GATCACAGG; the third bin of the cell has the second state.
  EXPECT_EQ((std::vector<std::uint8_t>{2, 0, 3, 1, 0, 1, 0, 2, 2}),
            std::vector<std::uint8_t>(segment.bases, segment.bases + 9));
  EXPECT_EQ((std::vector<std::uint8_t>{1, 1, 2, 1}),
            std::vector<std::uint8_t>(segment.states[0], segment.states[0] + 4));
}

TEST(PrepareGenome_sizes, OtherLength_isRefused) {
  const InputFolder folder;
  PrepareOptions options = chrm_options(folder);
  options.sizes = folder.write("hg38.sizes", "chrM\t16569\n");
  expect_input_error({"--sizes", "hg38.sizes", "hg19_chrM (16571 bp, on line 1 16569 bp)"},
                     [&] { (void)prepare(options); });
}

TEST(PrepareGenome_alias, NeitherFileNorTable_isRefusedBeforeReading) {
  const InputFolder folder;
  PrepareOptions options = chrm_options(folder);
  options.alias = "mm10";
  expect_error(core::ErrorKind::config, {"--alias mm10", "hg19, hg38"},
               [&] { (void)prepare(options); });
}

}  // namespace
}  // namespace epi::data
