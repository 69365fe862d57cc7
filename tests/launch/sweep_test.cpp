// `epitrain sweep`, `prepare --part` and the scripts that hand them to Slurm, as far as that goes
// without Slurm; tests/launch/slurm has the rest.
#include <gtest/gtest.h>

#include "launch/program.hpp"

namespace epi::launch_test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrepare = "prepare --genome genome.fa --states sheet.tsv --valid b";

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string script(const std::string& name) {
  std::string line = "EPITRAIN='" EPI_PROGRAM "' bash '" EPI_SCRIPTS "/slurm/";
  return line += name + "'";
}

class SweepVerb : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fresh_folder("sweep");
    write_inputs(folder_);
    const Outcome prepared = epitrain(std::string(kPrepare) + " --out store", folder_);
    ASSERT_EQ(prepared.code, 0) << prepared.all();
    write(folder_ / "grid.toml",
          "config = 'config.toml'\n[set]\ntrain.steps = 3\n[axes]\ntrain.seed = [1, 2]\n");
  }
  fs::path folder_;
};

TEST_F(SweepVerb, tasks_trainTheirCells_andCollectMakesOneTable) {
  EXPECT_EQ(epitrain("sweep grid.toml --count", folder_).out, "2\n");
  EXPECT_EQ(epitrain("sweep grid.toml", folder_).out, "cell\ttrain.seed\n0\t1\n1\t2\n");
  const Outcome one = epitrain("sweep grid.toml --task 0 --out out", folder_);
  ASSERT_EQ(one.code, 0) << one.all();
  EXPECT_TRUE(has(one.err, "cell 0 of grid.toml (train.seed = 1)")) << one.err;
  const Outcome two = mpirun(2, "sweep grid.toml --task 1 --out out --quiet", folder_);
  ASSERT_EQ(two.code, 0) << two.all();
  const Outcome table = epitrain("sweep grid.toml --out out --collect", folder_);
  ASSERT_EQ(table.code, 0) << table.all();
  EXPECT_TRUE(has(table.out, "0\t1\tdone\t3\t3\t1\t")) << table.out;
  EXPECT_TRUE(has(table.out, "1\t2\tdone\t3\t3\t2\t")) << table.out;
  EXPECT_TRUE(has(table.err, "2 cells done, 0 unfinished, 0 missing")) << table.err;
  EXPECT_EQ(read(folder_ / "out/results.tsv"), table.out);
}

TEST_F(SweepVerb, cellHasTheBitsOfPretrain) {
  ASSERT_EQ(epitrain("sweep grid.toml --task 1 --out out", folder_).code, 0);
  ASSERT_EQ(
      epitrain("pretrain config.toml --out run --set train.steps=3 train.seed=2", folder_).code, 0);
  const fs::path model = "checkpoints/step-000000003/model.safetensors";
  EXPECT_EQ(read(folder_ / "out/cell-000001" / model), read(folder_ / "run" / model));
}

TEST_F(SweepVerb, wrongUse_isRefused) {
  EXPECT_EQ(epitrain("sweep grid.toml --task 2 --out out", folder_).code, 64);
  EXPECT_EQ(epitrain("sweep grid.toml --task 0", folder_).code, 64);
  EXPECT_EQ(epitrain("sweep grid.toml --collect", folder_).code, 64);
  EXPECT_EQ(epitrain("sweep grid.toml --collect --count", folder_).code, 64);
  EXPECT_EQ(epitrain("sweep none.toml --count", folder_).code, 66);
  EXPECT_EQ(epitrain("sweep grid.toml --count --set train.stepz=1", folder_).code, 78);
  EXPECT_EQ(epitrain("sweep grid.toml --count --set train.seed=5", folder_).code, 78);
  const Outcome none = epitrain("sweep grid.toml --collect --out none", folder_);
  EXPECT_EQ(none.code, 66) << none.all();
  EXPECT_TRUE(has(none.err, "none: no such folder; no cell was trained")) << none.err;
  EXPECT_EQ(none.out, "");
  // Of another grid: nobody trains on in the folder of other values.
  ASSERT_EQ(epitrain("sweep grid.toml --task 1 --out out", folder_).code, 0);
  write(folder_ / "grid.toml", "config = 'config.toml'\n[axes]\ntrain.seed = [1, 5]\n");
  const Outcome other = mpirun(2, "sweep grid.toml --task 1 --out out", folder_);
  EXPECT_EQ(other.code, 65) << other.all();
  EXPECT_TRUE(has(other.err, "train.seed = 2, but cell 1 of ")) << other.all();
}

TEST_F(SweepVerb, tableOfOtherMathematics_isRefused_unlessSetIsTheSame) {
  const std::string set = " --set objective.state_weight=0.5";
  ASSERT_EQ(epitrain("sweep grid.toml --task 0 --out out" + set, folder_).code, 0);
  EXPECT_EQ(epitrain("sweep grid.toml --collect --out out" + set, folder_).code, 0);
  const Outcome other = epitrain("sweep grid.toml --collect --out out", folder_);
  EXPECT_EQ(other.code, 65) << other.all();
  EXPECT_TRUE(has(other.err, "objective.state_weight = 0.5, but cell 0 of ")) << other.err;
  EXPECT_EQ(other.out, "");
}

TEST_F(SweepVerb, partsOfPrepare_areFoundByTheWhole) {
  for (const char* part : {"1/3", "2/3", "3/3"}) {
    const Outcome outcome =
        epitrain(std::string(kPrepare) + " --out parts --part " + part, folder_);
    ASSERT_EQ(outcome.code, 0) << outcome.all();
    EXPECT_FALSE(fs::exists(folder_ / "parts"));
  }
  // What is read again would be written again.
  const auto read_at = fs::last_write_time(folder_ / "parts.partial/work/cell-0001.bin");
  const fs::path kept = folder_ / "kept.bin";
  fs::create_hard_link(folder_ / "parts.partial/work/cell-0001.bin", kept);
  const Outcome whole = epitrain(std::string(kPrepare) + " --out parts", folder_);
  ASSERT_EQ(whole.code, 0) << whole.all();
  EXPECT_EQ(fs::last_write_time(kept), read_at);
  for (const auto& entry : fs::directory_iterator(folder_ / "store")) {
    if (entry.path().extension() != ".h5") continue;
    EXPECT_EQ(read(entry.path()), read(folder_ / "parts" / entry.path().filename()));
  }
  for (const char* part : {"0/3", "4/3", "1", "1/3x", "-1/-1"}) {
    const Outcome outcome = epitrain(std::string(kPrepare) + " --out p --part=" + part, folder_);
    EXPECT_EQ(outcome.code, 64) << part << outcome.all();
  }
}

TEST(SweepExample, isAGridOfSixCells) {
  const Outcome outcome =
      epitrain("sweep '" EPI_SOURCE_DIR "/examples/sweep.toml' --count", fresh_folder("example"));
  EXPECT_EQ(outcome.out, "6\n") << outcome.all();
}

TEST(SlurmScripts, haveNoFaultsThatBashSees) {
  const fs::path folder = fresh_folder("syntax");
  const std::string scripts =
      "'" EPI_SCRIPTS "'/slurm/*.sbatch '" EPI_SCRIPTS "'/slurm/{common,submit} '" EPI_SOURCE_DIR
      "'/tests/launch/slurm/{cluster,run}";
  write(folder / "syntax.sh", "for file in " + scripts + "; do bash -n \"$file\" || exit 1; done");
  const Outcome syntax = run("bash syntax.sh", folder);
  EXPECT_EQ(syntax.code, 0) << syntax.all();
  if (run("command -v shellcheck", folder).code != 0) GTEST_SKIP() << "shellcheck isn't installed";
  write(folder / "check.sh", "shellcheck -x " + scripts);
  const Outcome checked = run("bash check.sh", folder);
  EXPECT_EQ(checked.code, 0) << checked.all();
}

TEST_F(SweepVerb, jobScripts_runWithoutSlurm) {
  const Outcome trained =
      run(script("train.sbatch") + " config.toml run --set train.steps=2", folder_);
  ASSERT_EQ(trained.code, 0) << trained.all();
  EXPECT_TRUE(fs::exists(folder_ / "run/checkpoints/step-000000002"));
  EXPECT_EQ(run(script("train.sbatch") + " config.toml", folder_).code, 64);
  EXPECT_EQ(run(script("sweep.sbatch") + " grid.toml out", folder_).code, 64);
  EXPECT_EQ(run(script("seeds.sbatch") + " config.toml out", folder_).code, 64);
  const Outcome task =
      run("SLURM_ARRAY_TASK_ID=1 " + script("sweep.sbatch") + " grid.toml out", folder_);
  EXPECT_EQ(task.code, 0) << task.all();
  EXPECT_TRUE(fs::exists(folder_ / "out/cell-000001/checkpoints/step-000000003"));
}

TEST_F(SweepVerb, submitDryRun_showsJobsAndWhatFollowsThem) {
  const auto dry = [&](const std::string& arguments) {
    const Outcome outcome =
        run("EPITRAIN_DRY_RUN=1 " + script("submit") + " " + arguments, folder_);
    EXPECT_EQ(outcome.code, 0) << outcome.all();
    return outcome.out;
  };
  const std::string sweep = dry("sweep grid.toml out --partition=p -- --set train.steps=1");
  EXPECT_TRUE(has(sweep, "sbatch --array=0-1 --partition=p ")) << sweep;
  EXPECT_TRUE(has(sweep, "sweep.sbatch grid.toml out --set train.steps=1\n")) << sweep;
  EXPECT_TRUE(has(sweep, "report.sbatch sweep grid.toml --out out --collect --set train.steps=1\n"))
      << sweep;
  const std::string scale = dry("scale 1,2 study --time=5 -- --model tiny");
  EXPECT_TRUE(has(scale, "sbatch --ntasks=1 --time=5 ")) << scale;
  EXPECT_TRUE(has(scale, "scale.sbatch --out study --ranks 1,2 --model tiny")) << scale;
  EXPECT_TRUE(has(scale, "--dependency=afterany:JOB:JOB ")) << scale;
  const std::string prepare = dry("prepare 4 -- --genome g --out s");
  EXPECT_TRUE(has(prepare, "sbatch --array=1-4 ")) << prepare;
  EXPECT_TRUE(has(prepare, "--dependency=afterok:JOB ")) << prepare;
  EXPECT_EQ(run(script("submit") + " sweep grid.toml", folder_).code, 64);
  for (const char* ranks : {"one,two", "1,", "0", "1,,2", "1 2"}) {
    const Outcome wrong = run(script("submit") + " scale '" + ranks + "' other", folder_);
    EXPECT_EQ(wrong.code, 64) << ranks << wrong.all();
  }
  EXPECT_FALSE(fs::exists(folder_ / "other"));
  EXPECT_EQ(run(script("submit") + " swep grid.toml out", folder_).code, 64);
  write(folder_ / "grid.toml", "config = 'config.toml'\n[axes]\ntrain.seed = ['x']\n");
  const Outcome bad = run("EPITRAIN_DRY_RUN=1 " + script("submit") + " sweep grid.toml o", folder_);
  EXPECT_EQ(bad.code, 78) << bad.all();
  EXPECT_EQ(bad.out, "") << "a grid that is wrong must not be submitted";
}

}  // namespace
}  // namespace epi::launch_test
