// Small stores for tests: contents from a fixed generator, written with the writers under test and
// damaged by hand.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "core/files.hpp"
#include "data/shard.hpp"

namespace epi::data::testing {

/// A folder of its own below gtest's temporary one, empty at first and removed at the end.
class Folder {
 public:
  Folder() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::path(::testing::TempDir()) /
            (std::string("epi_") + test->test_suite_name() + "_" + test->name());
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct Content {
  std::vector<std::uint8_t> bases;
  std::vector<std::uint8_t> states;
};

inline constexpr std::int32_t kBinBp = 200;
inline constexpr std::int32_t kNumCells = 3;
inline constexpr std::int32_t kNumStates = 5;

inline Content random_content(unsigned seed, std::size_t length, std::int32_t cells = kNumCells) {
  std::mt19937 random(seed);
  Content content;
  for (std::size_t i = 0; i < length; ++i) {
    content.bases.push_back(static_cast<std::uint8_t>(random() % 5 + random() % 2 * 8));
  }
  const std::size_t bins = (length + kBinBp - 1) / kBinBp;
  for (std::size_t i = 0; i < bins * static_cast<std::size_t>(cells); ++i) {
    content.states.push_back(static_cast<std::uint8_t>(random() % (kNumStates + 1)));
  }
  return content;
}

inline ShardContent as_shard(const Content& content, const std::string& contig,
                             std::int64_t start_bp, std::int32_t cells = kNumCells) {
  return {contig, start_bp, kBinBp, content.bases, content.states, cells};
}

/// Two shards on chrA (0..5000, 5000..9001), one on chrB (0..4321); train on most of chrA, valid on
/// its end behind a guard of 1,000 bp, test on chrB.
inline Manifest write_store(const std::filesystem::path& folder, unsigned seed = 1) {
  Manifest manifest;
  manifest.version = 2;
  manifest.program = "test";
  manifest.command = "test --with \"quotes\" and \xc3\xa9";
  manifest.bin_bp = kBinBp;
  manifest.guard_bp = 1000;
  manifest.assembly = "";
  manifest.inputs = {{"--genome", "genome.fa", "c"}, {"--blacklist", "black list.bed", "d"}};
  manifest.contigs = {{"chrA", 9001, 7000, 3500, 2, "a", "m1"},
                      {"chrB", 4321, 3400, 1700, 0, "b", "m2"}};
  manifest.cells = {{"E001", "one", Split::train, "one.bed", "1", "Blood", 1.0},
                    {"E002", "two", Split::train, "two.bed", "2", "Blood", 0.5},
                    {"E003", "three", Split::test, "three.bed", "3", "", 2.25}};
  for (int s = 1; s <= kNumStates; ++s) {
    manifest.states.push_back({s, fmt::format("S{}", s), s == 1 ? "255,0,0" : ""});
  }
  manifest.regions[0] = {{0, 0, 6500}};
  manifest.regions[1] = {{0, 7500, 9001}};
  manifest.regions[2] = {{1, 100, 4321}};
  const struct {
    const char* file;
    std::int32_t contig;
    std::int64_t start_bp;
    std::size_t length;
  } parts[] = {
      {"shard-0.h5", 0, 0, 5000}, {"shard-1.h5", 0, 5000, 4001}, {"shard-2.h5", 1, 0, 4321}};
  for (const auto& part : parts) {
    const Content content = random_content(seed++, part.length);
    const auto& contig = manifest.contigs[static_cast<std::size_t>(part.contig)].name;
    Shard shard = write_shard(folder / part.file, as_shard(content, contig, part.start_bp));
    shard.contig = part.contig;
    manifest.shards.push_back(shard);
  }
  core::write_durably(folder / kManifestName, to_json(manifest));
  return manifest;
}

/// Turns over one bit of a file.
inline void flip(const std::filesystem::path& path, std::int64_t byte, int bit = 0) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(byte);
  const auto old = static_cast<unsigned char>(file.get());
  file.seekp(byte);
  file.put(static_cast<char>(old ^ (1U << static_cast<unsigned>(bit))));
}

}  // namespace epi::data::testing
