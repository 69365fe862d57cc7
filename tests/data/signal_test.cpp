// Means per bin of bigWigs. Truth: pyBigWig's stats(exact=True, type="mean"), its numbers written
// here once, and the library itself where it is installed.
#include "data/formats/signal.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>

#include "data/big_inputs.hpp"
#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

using Means = std::map<std::size_t, float>;

/// The bins that have a value.
Means filled(const std::vector<float>& means) {
  Means result;
  for (std::size_t i = 0; i < means.size(); ++i) {
    if (!std::isnan(means[i])) result[i] = means[i];
  }
  return result;
}

TEST(Signal, means_ofTestBw_areThoseOfPyBigWig) {
  const SignalBins bins{.bin_bp = 50, .gaps = Gaps::nan};
  const auto first = bin_means(bundled("test.bw"), "1", 195471971, bins, this_build());
  EXPECT_EQ(first.size(), 3909440U);
  EXPECT_EQ(filled(first), (Means{{0, 0.2000000054637591F}, {2, 1.399999976158142F}, {3, 1.5F}}));
  const auto second = bin_means(bundled("test.bw"), "10", 130694993, bins, this_build());
  EXPECT_EQ(filled(second), (Means{{4, 2.0F}, {5, 2.0F}}));
}

TEST(Signal, means_ofValuesThatAreZero_areNotGaps) {
  const SignalBins bins{.bin_bp = 400, .gaps = Gaps::nan};
  const auto chr2 = bin_means(bundled("genomation_test.bw"), "chr2", 243199373, bins, this_build());
  EXPECT_EQ(filled(chr2), (Means{{0, -0.9375F}, {1, -0.625F}, {2, -0.3125F}, {3, 0.0F}}));
  const auto chr19 =
      bin_means(bundled("genomation_test.bw"), "chr19", 59128983, bins, this_build());
  EXPECT_EQ(filled(chr19), (Means{{3, 0.25F}, {4, 0.375F}, {5, 0.6875F}, {6, 1.0F}}));
}

// chrA ends 3 bases into its last bin, chrB with a bin, chrC has no value, chrD ends a base early.
TEST(Signal, means_atTheEndOfContigs_coverTheRest) {
  std::map<std::string, std::vector<float>> all;
  read_signal(bundled("to_the_end.bw"), {.bin_bp = 100, .gaps = Gaps::nan}, this_build(),
              [&](const ContigSize& contig, std::span<const float> means) {
                all[contig.name] = {means.begin(), means.end()};
              });
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all["chrA"].size(), 11U);
  EXPECT_EQ(filled(all["chrA"]), (Means{{1, static_cast<float>(-3.199575458254133)},
                                        {2, static_cast<float>(-3.5839377198900495)},
                                        {3, static_cast<float>(-0.8816946368841898)},
                                        {4, static_cast<float>(-2.1014414370059966)},
                                        {5, static_cast<float>(0.7050109581513838)},
                                        {8, static_cast<float>(1.2929361785872509)},
                                        {9, static_cast<float>(-0.3229845452308655)},
                                        {10, static_cast<float>(-0.8187717795372009)}}));
  EXPECT_EQ(filled(all["chrB"]), (Means{{0, static_cast<float>(0.09988273197496442)},
                                        {1, static_cast<float>(2.348139069892548)},
                                        {2, static_cast<float>(0.8356765607992808)},
                                        {3, static_cast<float>(0.28194691453661236)}}));
  EXPECT_EQ(all["chrC"].size(), 1U);
  EXPECT_TRUE(filled(all["chrC"]).empty());
  EXPECT_EQ(all["chrD"], std::vector<float>(4, static_cast<float>(0.3333333432674408)));
}

TEST(Signal, gaps_areWhatIsAskedFor) {
  const SignalBins zero{.bin_bp = 100, .gaps = Gaps::zero};
  EXPECT_EQ(bin_means(bundled("to_the_end.bw"), "chrC", 50, zero, this_build()),
            std::vector<float>{0.0F});
  const SignalBins nan{.bin_bp = 100, .gaps = Gaps::nan};
  const auto means = bin_means(bundled("to_the_end.bw"), "chrC", 50, nan, this_build());
  ASSERT_EQ(means.size(), 1U);
  EXPECT_TRUE(std::isnan(means[0]));
}

TEST(Signal, contigOfAnotherAssembly_isRefused) {
  const auto ask = [](const char* contig, std::int64_t length_bp) {
    return [=] { (void)bin_means(bundled("to_the_end.bw"), contig, length_bp, {}, this_build()); };
  };
  expect_input_error({"to_the_end.bw", "chrA has 1003", "1004", "another assembly"},
                     ask("chrA", 1004));
  expect_input_error({"no contig A", "chrA, chrB, chrC, chrD"}, ask("A", 1003));
}

TEST(Signal, bigBed_isNoSignal) {
  expect_input_error({"test.bigBed", "a bigBed where a bigWig is wanted"}, [] {
    read_signal(bundled("test.bigBed"), {}, this_build(), [](const auto&, auto) {});
  });
}

class Values : public testing::Test {
 protected:
  // A child that prints these records of one contig of 30 bases.
  BigFileLimits printing(const std::string& records, int count,
                         const std::string& length_bp = "30") {
    const auto path = folder_.write("reader",
                                    "#!/bin/sh\ncat <<'END'\nepitrain-bigfile 1\tbigwig\t1\n"
                                    "1\t" +
                                        length_bp + "\n" + records + "\tend\t" +
                                        std::to_string(count) + "\t2\nEND\n");
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return {.reader = path, .seconds = 20};
  }
  InputFolder folder_;
};

TEST_F(Values, notANumber_isAGap) {
  const auto limits = printing("1\t0\t10\tnan\n1\t10\t15\t3\n1\t15\t20\t-nan\n", 3);
  const SignalBins bins{.bin_bp = 10, .gaps = Gaps::zero};
  EXPECT_EQ(bin_means(bundled("test.bw"), "1", 30, bins, limits), (std::vector<float>{0, 3, 0}));
}

TEST_F(Values, contigOfAbsurdLength_isRefusedBeforeMemoryIsTaken) {
  for (const char* length : {"2147483648", "4294967295"}) {
    const auto limits = printing("1\t0\t10\t1\n", 1, length);
    expect_input_error({"test.bw", "contig 1 has " + std::string(length), "2147483647"}, [&] {
      read_signal(bundled("test.bw"), {.bin_bp = 1}, limits, [](const auto&, auto) {});
    });
  }
}

TEST_F(Values, infinite_areRefused) {
  const auto limits = printing("1\t0\t10\t1\n1\t10\t15\t-inf\n", 2);
  expect_input_error({"an infinite value at 1:10"},
                     [&] { (void)bin_means(bundled("test.bw"), "1", 30, {.bin_bp = 10}, limits); });
}

/// What we read of one file, for the script to compare: NAME.records and NAME.CONTIG.means.
void write_readings(const std::filesystem::path& folder, const std::string& name,
                    std::int64_t bin_bp) {
  std::ofstream records(folder / (name + ".records"));
  for (const std::string& record : records_of(bundled(name))) records << record << "\n";
  if (big_kind(bundled(name)) != BigKind::bigwig) return;
  read_signal(bundled(name), {.bin_bp = bin_bp, .gaps = Gaps::nan}, this_build(),
              [&](const ContigSize& contig, std::span<const float> means) {
                std::ofstream(folder / (name + "." + contig.name + ".means"), std::ios::binary)
                    .write(reinterpret_cast<const char*>(means.data()), std::ssize(means) * 4);
              });
}

TEST(Signal, pyBigWig_agreesOnEveryRecordAndMean) {
  const std::string python = "/usr/bin/python3";
  if (std::system((python + " -c 'import pyBigWig' 2>/dev/null").c_str()) != 0) {
    GTEST_SKIP() << "SKIPPED: " << python << " has no pyBigWig (Debian: python3-pybigwig)";
  }
  const InputFolder folder;
  const std::string script = std::string(EPI_SOURCE_DIR) + "/tests/data/compare_with_pybigwig.py";
  const auto agrees = [&](const std::string& name, const std::string& bin_bp) {
    const std::string command = python + " '" + script + "' '" + bundled(name).string() + "' '" +
                                folder.path().string() + "' " + bin_bp;
    return std::system((command + " 2>/dev/null").c_str()) == 0;
  };
  for (const char* name : {"test.bigBed", "itemRgb.bb", "chr17.22.10000-21000.bb", "simple17unc.bb",
                           "test.bw", "genomation_test.bw", "to_the_end.bw"}) {
    const std::int64_t bin_bp = std::string(name) == "to_the_end.bw" ? 7 : 100'000;
    write_readings(folder.path(), name, bin_bp);
    EXPECT_TRUE(agrees(name, std::to_string(bin_bp))) << name;
  }
  write_readings(folder.path(), "to_the_end.bw", 8);
  EXPECT_FALSE(agrees("to_the_end.bw", "7")) << "the script compares nothing";
}

}  // namespace
}  // namespace epi::data
