// Peaks: hand-made lines, and two sets of the ENCODE-DREAM challenge counted with awk.
#include "data/formats/peaks.hpp"

#include <gtest/gtest.h>

#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

const std::filesystem::path kFiles = std::filesystem::path(EPI_SOURCE_DIR) / "tests/data/files";

TEST(Peaks, NarrowPeak_lines_areReadAsWritten) {
  const InputFolder folder;
  const auto path = folder.write("a.narrowPeak",
                                 "track type=narrowPeak\n"
                                 "chr2\t100\t300\tpeak1\t870\t+\t12.5\t-1\t3.25\t0\n"
                                 "chr1\t7\t9\t.\t0\t.\t1e2\t7\t-1.00000\t-1\r\n"
                                 "chr1\t7\t9\tx\t0\t-\t0\tinf\t 2\t1\n"
                                 "chr1\t7\t9\tx\t0\t-\t0\t-1\t2\t2\n");
  const auto peaks = read_peaks(path);
  ASSERT_EQ(peaks.size(), 4U);
  EXPECT_EQ(peaks[0].contig, "chr2");
  EXPECT_EQ(peaks[0].range, (Range{100, 300}));
  EXPECT_EQ(peaks[0].name, "peak1");
  EXPECT_EQ(peaks[0].score, 870.0);
  EXPECT_EQ(peaks[0].strand, '+');
  EXPECT_EQ(peaks[0].signal, 12.5);
  EXPECT_FALSE(peaks[0].p_value);
  EXPECT_EQ(peaks[0].q_value, 3.25);
  EXPECT_EQ(peaks[0].summit_bp, 100);
  EXPECT_EQ(peaks[0].line, 2);
  EXPECT_EQ(peaks[1].name, "");
  EXPECT_EQ(peaks[1].signal, 100.0);
  EXPECT_FALSE(peaks[1].q_value);
  EXPECT_FALSE(peaks[1].summit_bp);
  EXPECT_EQ(peaks[2].summit_bp, 8);  // the last base of the peak
  EXPECT_EQ(peaks[3].summit_bp, 8);  // so does one that was rounded up
}

TEST(Peaks, Forms_areToldByTheFirstRecord) {
  const InputFolder folder;
  const auto form = [&](const std::string& line) {
    PeakFile file(folder.write("peaks", line));
    Peak peak;
    EXPECT_TRUE(file.next(peak)) << line;
    return file.form();
  };
  EXPECT_EQ(form("c\t1\t9\n"), PeakForm::bed);
  EXPECT_EQ(form("c 1 9 name words +\n"), PeakForm::bed);
  EXPECT_EQ(form("c\t1\t9\tn\t0\t+\t2.5\t-1\t-1\n"), PeakForm::broad_peak);
  EXPECT_EQ(form("c\t1\t9\tn\t0\t+\t12\t30\t4\n"), PeakForm::broad_peak);
  EXPECT_EQ(form("c\t1\t9\tn\t0\t+\t1\t9\t255,0,0\n"), PeakForm::bed);
  EXPECT_EQ(form("c\t1\t9\tn\t0\t+\t1\t1\t0\n"), PeakForm::bed);
  EXPECT_EQ(form("c\t1\t9\tn\t0\t+\t1\t9\t0\t1\t8\t0\n"), PeakForm::bed);  // BED12
  EXPECT_EQ(form("c\t1\t9\tn\t0\t+\t1\t-1\t-1\t3\n"), PeakForm::narrow_peak);
}

TEST(Peaks, PlainBed_takesWhatFits) {
  const InputFolder folder;
  const auto peaks =
      read_peaks(folder.write("a.bed", "chr1\t5\t9\t.\tOR4F5\tx\nc\t1\t2\tn\t7\t-\n"));
  ASSERT_EQ(peaks.size(), 2U);
  EXPECT_FALSE(peaks[0].score);
  EXPECT_EQ(peaks[0].strand, '.');
  EXPECT_EQ(peaks[1].score, 7.0);
  EXPECT_EQ(peaks[1].strand, '-');
  EXPECT_FALSE(peaks[1].signal);
  EXPECT_TRUE(read_peaks(folder.write("empty.bed", "")).empty());
}

TEST(Peaks, WrongLines_areErrorsWithFileAndLine) {
  const InputFolder folder;
  const std::string good = "c\t1\t9\tn\t0\t+\t1\t-1\t-1\t3\n";
  const auto refused = [&](const std::string& line, const std::string& part) {
    const auto path = folder.write("bad.narrowPeak", good + line);
    expect_input_error({"bad.narrowPeak:2", part}, [&] { (void)read_peaks(path); });
  };
  refused("c\t1\t9\tn\t0\t+\t1\t-1\t-1\t9\n", "peak 9 lies outside of the record, which is 8 long");
  refused("c\t1\t9\tn\t0\t+\t1\t-1\t-1\t-2\n", "peak -2 is outside");
  refused("c\t1\t9\tn\t0\t+\t1\t-1\t-1\t3.5\n", "peak '3.5' is not a whole number");
  refused("c\t1\t9\tn\tx\t+\t1\t-1\t-1\t3\n", "score 'x' is not a number");
  refused("c\t1\t9\tn\t0\t*\t1\t-1\t-1\t3\n", "strand '*'");
  refused("c\t1\t9\tn\t0\t+\tnan\t-1\t-1\t3\n", "signalValue 'nan'");
  refused("c\t1\t9\tn\t0\t+\t1\t-1\t\t3\n", "qValue ''");
  refused("c\t1\t9\n", "3 columns; the first record has 10");
  refused("c\t9\t1\tn\t0\t+\t1\t-1\t-1\t3\n", "start 9 is not below end 1");
}

struct Sums {
  std::int64_t peaks = 0, chr22 = 0, bases = 0, summits = 0;
  friend bool operator==(const Sums&, const Sums&) = default;
};

Sums sums_of(const std::string& name) {
  Sums sums;
  for (const Peak& peak : read_peaks(kFiles / name)) {
    ++sums.peaks;
    sums.chr22 += peak.contig == "chr22" ? 1 : 0;
    sums.bases += peak.range.end_bp - peak.range.start_bp;
    sums.summits += peak.summit_bp.value_or(0);
  }
  return sums;
}

// zcat FILE | awk '{b += $3 - $2; s += $2 + $10; n22 += $1 == "chr22"} END {print NR, n22, b, s}'
TEST(Peaks, ChallengeSets_ofTenAndTwentyColumns_agreeWithAwk) {
  EXPECT_EQ(sums_of("GM12878.RFX5.conservative.chr20_chr22.narrowPeak.gz"),
            (Sums{180, 88, 57035, 5716829565}));
  EXPECT_EQ(sums_of("GM12878.MAFK.relaxed.chr20_chr22.narrowPeak.gz"),
            (Sums{1242, 395, 331566, 38743389403}));
}

}  // namespace
}  // namespace epi::data
