// bigBed and bigWig of the wild, and damaged ones. Truth: the BED files that other projects keep
// beside their bigBeds, numbers that pyBigWig gave.
#include "data/formats/big_file.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <random>

#include "data/big_inputs.hpp"
#include "data/formats/text_file.hpp"
#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  TextFile file(path);
  std::vector<std::string> lines;
  std::string_view line;
  while (file.next_line(line)) lines.emplace_back(line);
  return lines;
}

template <class Number>
std::string with(std::string bytes, std::size_t offset, Number value) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
  return bytes;
}

std::uint64_t offset_at(const std::string& bytes, std::size_t place) {
  std::uint64_t offset = 0;
  std::memcpy(&offset, bytes.data() + place, sizeof offset);
  return offset;
}

TEST(Big_file, records_ofBigBeds_areTheBedFilesBesideThem) {
  EXPECT_EQ(records_of(bundled("itemRgb.bb")), lines_of(bundled("itemRgb.bed")));
  EXPECT_EQ(records_of(bundled("simple17unc.bb")), lines_of(bundled("simple17.bed")));
}

TEST(Big_file, contigs_ofABigBed_areItsTable) {
  const BigFile file(bundled("chr17.22.10000-21000.bb"), this_build());
  ASSERT_EQ(file.contigs().size(), 2U);
  EXPECT_EQ(file.contigs()[0].name, "chr17");
  EXPECT_EQ(file.contigs()[0].length_bp, 83257441);
  EXPECT_EQ(file.contigs()[1].name, "chr22");
  EXPECT_EQ(file.contigs()[1].length_bp, 50818468);
}

TEST(Big_file, records_ofSeveralContigs_comeContigByContig) {
  const std::vector<std::string> records = records_of(bundled("test.bigBed"));
  ASSERT_EQ(records.size(), 19U);
  EXPECT_EQ(records.front(), "chr1\t10009333\t10009640\t61035\t130\t-\t0.026\t0.42\t404");
}

TEST(Big_file, values_ofABigWig_keepEveryBitOfTheFloat) {
  const std::vector<std::string> expected = {"1\t0\t1\t0.1",     "1\t1\t2\t0.2",
                                             "1\t2\t3\t0.3",     "1\t100\t150\t1.4",
                                             "1\t150\t151\t1.5", "10\t200\t300\t2"};
  EXPECT_EQ(records_of(bundled("test.bw")), expected);
}

TEST(Big_file, kind_isToldByContent) {
  const InputFolder folder;
  EXPECT_EQ(big_kind(bundled("test.bw")), BigKind::bigwig);
  EXPECT_EQ(big_kind(bundled("test.bigBed")), BigKind::bigbed);
  EXPECT_EQ(big_kind(bundled("itemRgb.bed")), BigKind::none);
  EXPECT_EQ(big_kind(folder.write("short", "\x26")), BigKind::none);
  EXPECT_EQ(big_kind(folder.write("swapped", "\x88\x8f\xfc\x26")), BigKind::bigwig);
  EXPECT_EQ(big_kind(folder.path() / "absent"), BigKind::none);
}

TEST(Big_file, path_thatIsNoUrl_isNeverFetched) {
  const InputFolder folder;
  const auto limits = this_build();
  expect_error(core::ErrorKind::missing, {"no such file"},
               [&] { (void)BigFile("http://localhost/test.bw", limits); });
  std::filesystem::create_directories(folder.path() / "http:/host");
  std::filesystem::copy_file(bundled("test.bw"), folder.path() / "http:/host/a b.bw");
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  EXPECT_EQ(records_of("http://host/a b.bw").size(), 6U);
  std::filesystem::current_path(before);
}

TEST(Big_file, fileOfAnotherKind_isNamed) {
  const InputFolder folder;
  const auto open = [](const std::filesystem::path& path) {
    return [path] { (void)BigFile(path, this_build()); };
  };
  expect_input_error({"itemRgb.bed", "neither bigBed nor bigWig"}, open(bundled("itemRgb.bed")));
  expect_input_error({"empty", "too short"}, open(folder.write("empty", "")));
  expect_input_error({"not a regular file"}, open(folder.path()));
  expect_input_error({"byte order"}, open(folder.write("a.bb", "\x87\x89\xf2\xeb")));
  expect_error(core::ErrorKind::missing, {"absent.bb", "no such file"},
               open(folder.path() / "absent.bb"));
}

TEST(Big_file, header_thatPointsOutOfTheFile_isRefusedBeforeAnyChild) {
  const InputFolder folder;
  const std::string bytes = bytes_of(bundled("test.bw"));
  BigFileLimits none = this_build();
  none.reader = "/bin/false";
  for (const std::size_t place : {8U, 16U, 24U, 44U, 72U, 80U}) {
    const auto path = folder.write("far.bw", with<std::uint64_t>(bytes, place, bytes.size()));
    expect_input_error({"far.bw", "cut short"}, [&] { (void)BigFile(path, none); });
    const auto wrapped = folder.write("wrapped.bw", with<std::uint64_t>(bytes, place, ~7ULL));
    expect_input_error({"wrapped.bw", "cut short"}, [&] { (void)BigFile(wrapped, none); });
  }
  expect_input_error({"lies in its header"}, [&] {
    (void)BigFile(folder.write("early.bw", with<std::uint64_t>(bytes, 8, 12)), none);
  });
  expect_input_error({"where its index should be"}, [&] {
    (void)BigFile(folder.write("index.bw", with<std::uint64_t>(bytes, 24, 400)), none);
  });
}

TEST(Big_file, truncatedAnywhere_isRefusedOrWhole) {
  const InputFolder folder;
  for (const char* name : {"test.bw", "test.bigBed"}) {
    const std::string bytes = bytes_of(bundled(name));
    const std::vector<std::string> whole = records_of(bundled(name));
    std::size_t refused = 0;
    for (std::size_t length = 0; length < bytes.size(); length += bytes.size() / 40 + 1) {
      const auto path = folder.write("cut", bytes.substr(0, length));
      try {
        EXPECT_EQ(records_of(path), whole) << length;
      } catch (const core::InputError&) {
        ++refused;
      }
    }
    EXPECT_GE(refused, 2U) << name;
  }
}

// A contig whose blocks the index hides leaves no trace but the count in the file.
TEST(Big_file, recordsThatTheIndexHides_areMissed) {
  const InputFolder folder;
  const std::string bytes = bytes_of(bundled("test.bigBed"));
  const std::uint64_t leaf = offset_at(bytes, 24) + 48;
  const auto path = folder.write("hidden.bb", with<std::uint16_t>(bytes, leaf + 2, 5));
  expect_input_error({"hidden.bb", "should hold 19 records"}, [&] { (void)records_of(path); });

  const std::string signal = bytes_of(bundled("test.bw"));
  const std::uint64_t blocks = offset_at(signal, 24) + 48;
  const auto one = folder.write("hidden.bw", with<std::uint16_t>(signal, blocks + 2, 1));
  expect_input_error({"hidden.bw", "should hold 2 data blocks but 1"},
                     [&] { (void)records_of(one); });
}

TEST(Big_file, recordPastItsContig_isRefused) {
  const InputFolder folder;
  const std::string bytes = bytes_of(bundled("simple17unc.bb"));
  const std::uint64_t first = offset_at(bytes, 16) + 8;  // contig, start, end of the first record
  const auto refuse = [&](std::uint32_t start, std::uint32_t end) {
    const auto path = folder.write("a.bb", with(with(bytes, first + 4, start), first + 8, end));
    expect_input_error({"a.bb", "after record 0", "inside of 78774742 bases"},
                       [&] { (void)records_of(path); });
  };
  refuse(78774742, 78774743);
  refuse(5821, 78774743);
  refuse(31270, 31270);
  refuse(31271, 31270);
  refuse(5821, 0xffffffffU);
}

TEST(Big_file, memoryAboveTheLimit_isOneCleanError) {
  const InputFolder folder;
  BigFileLimits limits = this_build();
  limits.memory_mib = 256;
  const auto refuse = [&](const std::string& bytes) {
    const auto path = folder.write("greedy.bb", bytes);
    expect_input_error({"greedy.bb", "memory limit of 256 MiB"},
                       [&] { (void)records_of(path, limits); });
  };
  const std::string bytes = bytes_of(bundled("test.bigBed"));
  refuse(with<std::uint32_t>(bytes, 52, 0xfffffff0U));  // the size of an unpacked block
  refuse(with<std::uint64_t>(bytes, offset_at(bytes, 8) + 16, 1ULL << 40U));  // contigs
}

/// One to four bytes changed, or cut: half of the mutants anywhere, as transport errors are, half
/// where the file is not zero, for most of a small file is the empty rest of its index.
std::string mutated(std::string bytes, std::mt19937_64& random) {
  if (random() % 8 == 0) return bytes.substr(0, random() % bytes.size());
  const bool anywhere = random() % 2 == 0;
  for (std::uint64_t left = 1 + random() % 4; left > 0; --left) {
    std::size_t place = random() % bytes.size();
    while (!anywhere && bytes[place] == 0) place = random() % bytes.size();
    bytes[place] = static_cast<char>(random());
  }
  return bytes;
}

// EPI_BIG_MUTANTS=N in the environment asks for more than CI's 500.
std::size_t mutants() {
  const char* wanted = std::getenv("EPI_BIG_MUTANTS");
  return wanted == nullptr ? 250 : std::stoul(wanted) / 2;
}

void replay_mutants(const char* name, std::uint64_t seed) {
  const InputFolder folder;
  const std::string bytes = bytes_of(bundled(name));
  const std::vector<std::string> whole = records_of(bundled(name));
  std::mt19937_64 random(seed);
  std::size_t same = 0;
  std::size_t other = 0;
  std::size_t refused = 0;
  std::size_t crashed = 0;
  for (std::size_t i = 0; i < mutants(); ++i) {
    const auto path = folder.write("mutant", mutated(bytes, random));
    try {
      (records_of(path) == whole ? same : other) += 1;
    } catch (const core::InputError& error) {
      ++refused;
      const std::string text = error.what();
      EXPECT_NE(text.find("mutant: "), std::string::npos) << text;
      EXPECT_EQ(text.find('\n'), std::string::npos) << text;
      if (text.find("crashed") != std::string::npos) ++crashed;
    }
  }
  std::printf(
      "%s: %zu mutants, %zu read as before, %zu with other records, %zu refused, "
      "%zu of them crashed the child\n",
      name, mutants(), same, other, refused, crashed);
  EXPECT_GT(refused, mutants() / 20);
}

TEST(Big_file, mutantsOfABigWig_areReadOrRefused) {
  replay_mutants("test.bw", 1);
}

TEST(Big_file, mutantsOfABigBed_areReadOrRefused) {
  replay_mutants("test.bigBed", 2);
}

}  // namespace
}  // namespace epi::data
