// What --dry-run says a run will take, beside what the run took: the figure by which people choose
// machines.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "launch/program.hpp"

namespace epi::launch_test {
namespace {

namespace fs = std::filesystem;

/// The number that `pattern`'s first group finds.
double number(const std::string& text, const std::string& pattern) {
  std::smatch found;
  if (!std::regex_search(text, found, std::regex(pattern))) return -1.0;
  return std::stod(found[1].str());
}

/// MiB, from the last event of a run: the largest resident set that the system has seen.
double peak_of(const fs::path& run) {
  std::istringstream lines(read(run / "events.jsonl"));
  std::string line;
  double peak = -1.0;
  while (std::getline(lines, line)) {
    const auto event = nlohmann::json::parse(line);
    if (event.at("event") == "end") peak = event.at("peak_bytes").get<double>() / 1048576.0;
  }
  return peak;
}

class Memory : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = fresh_folder("memory");
    write_inputs(folder_);
    prepared_ = epitrain(
        "prepare --genome genome.fa --states sheet.tsv --valid b --valid-cells Z --out store",
        folder_);
  }
  void SetUp() override { ASSERT_EQ(prepared_.code, 0) << prepared_.all(); }

  /// Plan and run of a model large enough that its tensors outweigh the program.
  static void compare(const std::string& name, const std::string& options, int ranks = 1) {
    const auto program = [&](const std::string& arguments) {
      return ranks == 1 ? epitrain(arguments, folder_) : mpirun(ranks, arguments, folder_);
    };
    const std::string command =
        "pretrain config.toml --set model.layers=4 model.hidden=128 model.heads=2 "
        "model.intermediate=512 "
        "train.micro_batch=8 train.steps=1 schedule.warmup_steps=0 "
        "train.threads=1 evaluate.windows=1 train.global_batch=" +
        std::to_string(8 * ranks) + " " + options + " --out " + name;
    const Outcome plan = program(command + " --dry-run");
    ASSERT_EQ(plan.code, 0) << plan.all();
    const double planned = number(plan.out, "memory: ([0-9.]+) MiB per rank");
    ASSERT_GT(planned, 50.0) << plan.out;
    const Outcome ran = program(command);
    ASSERT_EQ(ran.code, 0) << ran.all();
    EXPECT_NEAR(peak_of(folder_ / name) / planned, 1.0, 0.05) << plan.out << ran.err;
  }

  static fs::path folder_;
  static Outcome prepared_;
};
fs::path Memory::folder_;
Outcome Memory::prepared_;

TEST_F(Memory, dryRun_isWithinFivePercentOfThePeak) {
  compare("auto", "");
}

TEST_F(Memory, dryRunInFp32_isWithinFivePercentOfThePeak) {
  compare("fp32", "--precision fp32");
}

// Gradients are summed where they lie: a rank also uses pages of the other's.
TEST_F(Memory, dryRunOnTwoRanks_isWithinFivePercentOfThePeak) {
  compare("two", "--set model.hidden=256", 2);
}

TEST_F(Memory, dryRunWithRecomputation_isWithinFivePercentOfThePeak) {
  compare("layer", "--precision fp32 --recompute layer");
}

TEST_F(Memory, dryRun_namesEveryPartAndThePrecision) {
  const Outcome plan =
      epitrain("pretrain config.toml --dry-run --precision fp32 --recompute layer", folder_);
  ASSERT_EQ(plan.code, 0) << plan.all();
  for (const char* part :
       {"parameters", "gradients", "moments", "activations (fp32, layers recomputed)", "scratch",
        "batches", "store", "program", "snapshot for checkpoints",
        "precision: fp32: as train.precision says"}) {
    EXPECT_NE(plan.out.find(part), std::string::npos) << part << "\n" << plan.out;
  }
}

TEST_F(Memory, bf16OnAnOldProcessor_isOneMessageAndCode78) {
  const Outcome outcome = run(
      "EPITRAIN_ISA=v3 " EPI_PROGRAM " pretrain config.toml --out old --precision bf16", folder_);
  EXPECT_EQ(outcome.code, 78) << outcome.all();
  EXPECT_NE(outcome.err.find("this processor has no AVX512-BF16"), std::string::npos)
      << outcome.err;
}

}  // namespace
}  // namespace epi::launch_test
