// `inspect FILE` and `leak` as a user calls them: what they print and how they exit.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "launch/program.hpp"

namespace epi::launch_test {
namespace {

/// A store whose contig b (20 kb) is held out, and a run on it.
class Leak : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder() = fresh_folder("leak");
    write_inputs(folder());
    const Outcome store =
        epitrain("prepare --genome genome.fa --states sheet.tsv --valid b --out store", folder());
    ASSERT_EQ(store.code, 0) << store.all();
    const Outcome run = epitrain("pretrain config.toml --out run", folder());
    ASSERT_EQ(run.code, 0) << run.all();
    write(folder() / "trained.bed", "a\t1000\t2000\nb\t0\t500\n");
    write(folder() / "held_out.bed", "b\t0\t500\n");
  }
  static std::filesystem::path& folder() {
    static std::filesystem::path path;
    return path;
  }
};

TEST_F(Leak, TrainedBases_areCode65WithTheTable) {
  for (const char* trained : {"run", "run/checkpoints/step-000000006", "store"}) {
    const Outcome outcome = epitrain(std::string("leak ") + trained + " trained.bed", folder());
    EXPECT_EQ(outcome.code, 65) << outcome.all();
    EXPECT_NE(outcome.out.find("SHARED: training has seen 1000 of 1500 bases"), std::string::npos)
        << outcome.all();
    EXPECT_TRUE(outcome.err.empty()) << outcome.err;
  }
}

TEST_F(Leak, HeldOutBases_areCode0) {
  const Outcome outcome = epitrain("leak run held_out.bed --json", folder());
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json.at("total").at("valid_bp"), 500);
  EXPECT_EQ(json.at("shares_bases"), false);
  EXPECT_EQ(epitrain("leak run store", folder()).code, 65);
  EXPECT_EQ(epitrain("leak run store --splits valid,test", folder()).code, 0);
}

TEST_F(Leak, WrongOptions_areUsage) {
  for (const char* line : {"leak run", "leak run held_out.bed --splits half",
                           "leak run held_out.bed --cells X", "leak run held_out.bed --cells X="}) {
    EXPECT_EQ(epitrain(line, folder()).code, 64) << line;
  }
  EXPECT_EQ(epitrain("leak run held_out.bed --cells X=Y", folder()).code, 78);
  EXPECT_EQ(epitrain("leak nowhere held_out.bed", folder()).code, 66);
  EXPECT_EQ(epitrain("leak run nowhere.bed", folder()).code, 66);
}

TEST_F(Leak, InspectFile_saysKindFirst_alsoOfADamagedFile) {
  const Outcome good = epitrain("inspect trained.bed --store store", folder());
  EXPECT_EQ(good.code, 0) << good.all();
  EXPECT_NE(good.out.find("trained.bed: BED"), std::string::npos) << good.all();
  EXPECT_NE(good.out.find("2 of 2 contigs are in the store"), std::string::npos) << good.all();
  write(folder() / "bad.bed", "a\t1000\t2000\na\t20\t10\n");
  const Outcome bad = epitrain("inspect bad.bed", folder());
  EXPECT_EQ(bad.code, 65) << bad.all();
  EXPECT_NE(bad.out.find("bad.bed: BED"), std::string::npos) << bad.all();
  EXPECT_NE(bad.err.find("bad.bed:2"), std::string::npos) << bad.all();
  EXPECT_EQ(epitrain("inspect store --store store", folder()).code, 64);
}

}  // namespace
}  // namespace epi::launch_test
