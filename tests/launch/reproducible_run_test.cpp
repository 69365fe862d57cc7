// `pretrain --reproducible` as a user starts it: other numbers of ranks and threads, ranks on
// unlike processors, and ranks that cannot.
#include <gtest/gtest.h>

#include "launch/program.hpp"

namespace epi::launch_test {
namespace {

namespace fs = std::filesystem;

class ReproducibleRun : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = fresh_folder("reproducible");
    write_inputs(folder_);
    prepared_ = epitrain(
        "prepare --genome genome.fa --states sheet.tsv --valid b --valid-cells Z --out store",
        folder_);
  }
  void SetUp() override { ASSERT_EQ(prepared_.code, 0) << prepared_.all(); }

  static void expect_same_bits(const std::string& one, const std::string& other) {
    for (const char* file : {"model.safetensors", "optimizer.bin"}) {
      const fs::path at = fs::path("checkpoints") / "step-000000006" / file;
      const std::string truth = read(folder_ / one / at);
      EXPECT_FALSE(truth.empty());
      EXPECT_TRUE(read(folder_ / other / at) == truth) << other << ": " << file;
    }
  }

  static fs::path folder_;
  static Outcome prepared_;
};
fs::path ReproducibleRun::folder_;
Outcome ReproducibleRun::prepared_;

TEST_F(ReproducibleRun, TwoRanksThenOne_giveTheBitsOfOne) {
  const std::string line = "pretrain config.toml --reproducible --out ";
  ASSERT_EQ(epitrain(line + "one --set train.threads=2", folder_).code, 0);
  ASSERT_EQ(mpirun(2, line + "two", folder_).code, 0);
  expect_same_bits("one", "two");
  ASSERT_EQ(mpirun(2, line + "parts --set train.steps=3", folder_).code, 0);
  ASSERT_EQ(epitrain(line + "parts", folder_).code, 0);
  expect_same_bits("one", "parts");
}

// One of the ranks lacks the instructions of the other: both go without, and say so.
TEST_F(ReproducibleRun, UnlikeProcessors_takeTheLowerInstructionSet) {
  const std::string program = "'" EPI_PROGRAM "' pretrain config.toml --reproducible --out ";
  const Outcome alone = run("EPITRAIN_ISA=base " + program + "base", folder_);
  ASSERT_EQ(alone.code, 0) << alone.all();
  const Outcome unlike = run("'" EPI_MPIEXEC "' --bind-to none -np 1 " + program +
                                 "unlike : -np 1 -x "
                                 "EPITRAIN_ISA=base " +
                                 program + "unlike",
                             folder_);
  ASSERT_EQ(unlike.code, 0) << unlike.all();
  EXPECT_NE(unlike.err.find("all ranks compute with sse2"), std::string::npos) << unlike.all();
  expect_same_bits("base", "unlike");
}

TEST_F(ReproducibleRun, RanksBeyondTheTree_areOneMessageAndCode78) {
  const Outcome outcome = mpirun(4, "pretrain config.toml --out refused --reproducible", folder_);
  EXPECT_EQ(outcome.code, 78) << outcome.all();
  const std::string word = "epitrain: error: ";
  const std::size_t first = outcome.err.find(word);
  ASSERT_NE(first, std::string::npos) << outcome.all();
  EXPECT_EQ(outcome.err.find(word, first + 1), std::string::npos) << outcome.all();
  EXPECT_NE(outcome.err.find("runs on 1 or 2 ranks"), std::string::npos) << outcome.all();
  EXPECT_EQ(mpirun(4, "pretrain config.toml --out elastic", folder_).code, 0)
      << "four ranks with one window each";
}

}  // namespace
}  // namespace epi::launch_test
