// A scaling study from the command line, at tiny size: all of it, and in the pieces that jobs of a
// cluster run.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "launch/program.hpp"

namespace epi::launch_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const std::string kTiny =
    " --model tiny --tokens 32 --precision fp32 --device cpu --threads 1 --steps 1 --rounds 1";

void expect_report(const fs::path& folder, const Outcome& outcome) {
  EXPECT_NE(outcome.out.find("weak"), std::string::npos) << outcome.all();
  EXPECT_NE(outcome.out.find("fitted as"), std::string::npos) << outcome.all();
  EXPECT_NE(read(folder / "scaling.html").find("</html>"), std::string::npos);
  EXPECT_EQ(read(folder / "scaling.csv").substr(0, 12), "source,kind,");
}

TEST(Scale, oneAndTwoRanks_areMeasuredAndReported) {
  const fs::path folder = fresh_folder("scale");
  const Outcome outcome = epitrain("scale --out study --ranks 1,2" + kTiny, folder);
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  expect_report(folder / "study", outcome);
  const json two = json::parse(read(folder / "study" / "ranks-0002.json"));
  EXPECT_EQ(two.at("ranks_per_node"), 2);
  EXPECT_GE(two.at("sums").size(), 3U);
  ASSERT_EQ(two.at("steps").size(), 2U);
  EXPECT_EQ(two.at("steps")[0].at("windows"), 2);  // weak: a window each
  EXPECT_EQ(two.at("steps")[1].at("windows"), 2);  // strong: one for each of the two
  EXPECT_GT(two.at("steps")[0].at("exposed_s"), 0.0);
  const json one = json::parse(read(folder / "study" / "ranks-0001.json"));
  EXPECT_TRUE(one.at("sums").empty());
}

TEST(Scale, piecesOfJobs_areCollected) {
  const fs::path folder = fresh_folder("scale_pieces");
  const std::string line = "scale --measure --out study --ranks 1,2 --kind weak" + kTiny;
  const Outcome one = epitrain(line, folder);
  ASSERT_EQ(one.code, 0) << one.all();
  const Outcome two = mpirun(2, line, folder);
  ASSERT_EQ(two.code, 0) << two.all();
  const Outcome report =
      epitrain("scale --collect --out study --device-tokens-per-s 726000", folder);
  ASSERT_EQ(report.code, 0) << report.all();
  expect_report(folder / "study", report);
  EXPECT_NE(report.out.find("726 K tokens/s"), std::string::npos) << report.all();
}

TEST(Scale, nothingToCollect_isMissing) {
  const Outcome outcome = epitrain("scale --collect --out study", fresh_folder("scale_none"));
  EXPECT_EQ(outcome.code, 66) << outcome.all();
}

TEST(Scale, windowsThatDoNotDivide_areUsageBeforeAnyWork) {
  const fs::path folder = fresh_folder("scale_odd");
  const Outcome outcome =
      epitrain("scale --out study --ranks 1,2 --global-batch 3" + kTiny, folder);
  EXPECT_EQ(outcome.code, 64) << outcome.all();
  EXPECT_NE(outcome.err.find("--global-batch 3"), std::string::npos) << outcome.all();
  EXPECT_FALSE(fs::exists(folder / "study"));
}

TEST(Scale, studyUnderMpirun_isUsage) {
  const Outcome outcome =
      mpirun(2, "scale --out study --ranks 1,2" + kTiny, fresh_folder("scale_nested"));
  EXPECT_EQ(outcome.code, 64) << outcome.all();
  EXPECT_NE(outcome.err.find("--measure"), std::string::npos) << outcome.all();
}

int lines_with(const std::string& text, const std::string& part) {
  int count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++count;
  return count;
}

TEST(Scale, mistakesUnderMpirun_areOneLineAndNotOnePerRank) {
  const fs::path folder = fresh_folder("scale_one_line");
  const Outcome batch =
      mpirun(3, "scale --measure --out study --ranks 1,3 --global-batch 4" + kTiny, folder);
  EXPECT_EQ(batch.code, 64) << batch.all();
  EXPECT_EQ(lines_with(batch.err, "--global-batch 4 is no whole number"), 1) << batch.all();
  const Outcome nested = mpirun(3, "scale --out study --ranks 1,3" + kTiny, folder);
  EXPECT_EQ(lines_with(nested.err, "starts its ranks itself"), 1) << nested.all();
}

TEST(Scale, wrongOptions_areShortMessagesBeforeAnyWork) {
  const fs::path folder = fresh_folder("scale_options");
  for (const auto& [option, told] :
       {std::pair{"--steps 0", "\"0\": expected a whole number from 1"},
        {"--kind both", "expected weak, strong or weak,strong"},
        {"--model huge", "huge not in {tiny,small,base,large}"}}) {
    const Outcome outcome = epitrain("scale --out study " + std::string(option), folder);
    EXPECT_EQ(outcome.code, 64) << outcome.all();
    EXPECT_NE(outcome.err.find(told), std::string::npos) << outcome.all();
    EXPECT_FALSE(fs::exists(folder / "study"));
  }
}

TEST(Scale, moreRanksThanCores_areStartedWithAWarning) {
  const fs::path folder = fresh_folder("scale_crowded");
  const int ranks = static_cast<int>(std::thread::hardware_concurrency()) + 1;
  if (ranks > 17) GTEST_SKIP() << "too many cores to crowd in a test";
  const Outcome outcome =
      epitrain("scale --out study --kind weak --ranks " + std::to_string(ranks) + kTiny, folder);
  EXPECT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_EQ(lines_with(outcome.err, "say nothing of the program"), 1) << outcome.all();
}

TEST(Scale, launcherThatFails_namesItsCodeAndLine) {
  const Outcome outcome =
      epitrain("scale --out study --ranks 2 --launcher 'env false {ranks}'" + kTiny,
               fresh_folder("scale_launcher"));
  EXPECT_EQ(outcome.code, 76) << outcome.all();
  EXPECT_NE(outcome.err.find("measurement of 2 ranks ended with exit code 1"), std::string::npos)
      << outcome.all();
}

TEST(Scale, wrongTableOfNetworks_isConfigBeforeAnyWork) {
  const fs::path folder = fresh_folder("scale_networks");
  write(folder / "n.toml", "networks = [\"a\"]\n[a]\ntitle = \"A\"\nranks_per_node = 0\n");
  const Outcome outcome = epitrain("scale --out study --networks n.toml" + kTiny, folder);
  EXPECT_EQ(outcome.code, 78) << outcome.all();
  EXPECT_NE(outcome.err.find("n.toml:4"), std::string::npos) << outcome.all();
}

}  // namespace
}  // namespace epi::launch_test
