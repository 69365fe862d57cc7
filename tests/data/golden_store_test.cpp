// Stores that earlier versions of the program wrote: today's opens them, finds nothing wrong and
// reads what the real files say. Truth is the text of examples/data, unpacked by gzip and cut by
// hand: chr20 of hg19, bases 10,000,000 to 10,016,000, in the states of four epigenomes.
#include <gtest/gtest.h>

#include <cctype>
#include <cstdio>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <string>

#include "data/store.hpp"
#include "data/verify.hpp"

namespace {

namespace fs = std::filesystem;
using namespace epi::data;

constexpr std::int64_t kStartBp = 10'000'000;
constexpr std::int64_t kLengthBp = 16'000;

/// What a shell line prints.
std::string output_of(const std::string& line) {
  FILE* pipe = popen(line.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run " + line);
  std::string text;
  char block[1 << 16];
  while (const std::size_t got = std::fread(block, 1, sizeof block, pipe)) text.append(block, got);
  if (pclose(pipe) != 0) throw std::runtime_error("failed: " + line);
  return text;
}

std::string example(const std::string& name) {
  return "'" EPI_SOURCE_DIR "/examples/data/" + name + "'";
}

/// The bases as letters, lower case where soft-masked.
std::string expected_bases() {
  // Lines of 50 bases behind one header.
  return output_of("gzip -dc " + example("sequence/chr20_part.fa.gz") +
                   " | tail -n +2 | tail -n +200001 | head -n 320 | tr -d '\\n'");
}

/// The state's number in each bin, -1 where the file has none.
std::vector<int> expected_states(const std::string& cell, std::int32_t bin_bp) {
  std::istringstream lines(
      output_of("gzip -dc " + example("states/" + cell + ".bed.gz") + " | grep -P '^chr20\\t'"));
  std::vector<int> states(static_cast<std::size_t>(kLengthBp / bin_bp), -1);
  std::string contig, name;
  for (std::int64_t start = 0, end = 0; lines >> contig >> start >> end >> name;) {
    for (std::size_t bin = 0; bin < states.size(); ++bin) {
      const std::int64_t at = kStartBp + static_cast<std::int64_t>(bin) * bin_bp;
      if (at >= start && at < end) states[bin] = std::stoi(name);  // "1_TssA"
    }
  }
  return states;
}

void expect_real_content(const fs::path& folder) {
  const VerifyReport report = verify(folder, true);
  EXPECT_TRUE(report.ok()) << report.problems.at(0);
  const Store store = Store::open(folder, true);
  const auto corpus = store.corpus();
  ASSERT_EQ(corpus.segments.size(), 1U);
  const auto& segment = corpus.segments[0];
  ASSERT_EQ(segment.length_bp, kLengthBp);
  std::string bases;
  for (std::int64_t i = 0; i < segment.length_bp; ++i) {
    const char letter = "ACGTN"[segment.bases[i] & 7U];
    bases += (segment.bases[i] & 8U) != 0U ? static_cast<char>(std::tolower(letter)) : letter;
  }
  EXPECT_EQ(bases, expected_bases());
  for (std::int32_t c = 0; c < corpus.num_cells; ++c) {
    const Cell& cell = store.manifest().cells[static_cast<std::size_t>(c)];
    std::vector<int> states;
    for (std::int64_t bin = 0; bin < kLengthBp / corpus.bin_bp; ++bin) {
      const std::uint8_t code = segment.states[c][bin];
      states.push_back(code == 0 ? -1 : store.manifest().states.at(code - 1U).number);
    }
    if (cell.source.empty()) {
      EXPECT_EQ(states, std::vector<int>(states.size(), -1)) << cell.id;
    } else {
      EXPECT_EQ(states, expected_states(cell.id, corpus.bin_bp)) << cell.id;
    }
  }
}

TEST(Golden_store_test, VersionOne_isReadAsWritten) {
  const fs::path folder = fs::path(EPI_SOURCE_DIR) / "tests/golden/store_v1";
  expect_real_content(folder);
  const Manifest manifest = Store::open(folder).manifest();
  EXPECT_EQ(manifest.version, 1);
  EXPECT_EQ(manifest.cells.size(), 4U);
  // What version 1 did not know has the values that change nothing.
  EXPECT_EQ(manifest.assembly, "");
  EXPECT_TRUE(manifest.inputs.empty());
  EXPECT_EQ(manifest.contigs.at(0).md5, "");
  EXPECT_EQ(manifest.cells.at(0).weight, 1.0);
  EXPECT_EQ(manifest.cells.at(0).split, Split::valid);
  EXPECT_EQ(manifest.states.at(0).label, "TssA");
  // The fingerprint that runs of that time remember.
  EXPECT_EQ(manifest.digest, "468ffd4edd33df9084a2357cf46edd53");
}

TEST(Golden_store_test, VersionTwo_isReadAsWritten) {
  const fs::path folder = fs::path(EPI_SOURCE_DIR) / "tests/golden/store_v2";
  expect_real_content(folder);
  const Manifest manifest = Store::open(folder).manifest();
  EXPECT_EQ(manifest.version, 2);
  EXPECT_EQ(manifest.assembly, "");  // a contig that was cut tells none
  ASSERT_EQ(manifest.inputs.size(), 6U);
  EXPECT_EQ(manifest.inputs[3].option, "--blacklist");
  EXPECT_EQ(manifest.inputs[3].path, "black list.bed");
  // As samtools dict says of the same sequence.
  EXPECT_EQ(manifest.contigs.at(0).md5, "1043347c211cac5793f3947f49c4d8a1");
  ASSERT_EQ(manifest.cells.size(), 5U);
  EXPECT_EQ(manifest.cells[3].group, "Blood & T-cell");
  EXPECT_EQ(manifest.cells[3].weight, 2.25);
  EXPECT_EQ(manifest.cells[4].source, "");
  ASSERT_EQ(manifest.states.size(), 25U);
  EXPECT_EQ(manifest.states[1].colour, "255,69,0");
  EXPECT_EQ(manifest.digest, "5155db0390244da3ddaf25cfaa455737");
}

}  // namespace
