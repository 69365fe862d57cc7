// What a user sees before any work begins: help, messages and exit codes.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/device.hpp"
#include "launch/program.hpp"

namespace epi::launch_test {
namespace {

std::int64_t count_of(const std::string& text, const std::string& part) {
  std::int64_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

TEST(CommandLine, help_listsTheVerbs) {
  const Outcome outcome = epitrain("--help", fresh_folder("help"));
  EXPECT_EQ(outcome.code, 0) << outcome.all();
  for (const char* verb :
       {"prepare", "inspect", "verify", "leak", "pretrain", "evaluate", "bench"}) {
    EXPECT_NE(outcome.out.find(verb), std::string::npos) << verb;
  }
}

TEST(CommandLine, version_asJson_isJson) {
  const Outcome outcome = epitrain("--version --json", fresh_folder("version"));
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_EQ(nlohmann::json::parse(outcome.out).at("program"), "epitrain");
}

TEST(CommandLine, wrongLine_isUsageInOneMessage) {
  const auto folder = fresh_folder("usage");
  for (const char* line : {"", "fly", "inspect", "inspect a --wings", "bench step --steps 0",
                           "inspect store --tokens 6"}) {
    const Outcome outcome = epitrain(line, folder);
    EXPECT_EQ(outcome.code, 64) << line << "\n" << outcome.all();
    EXPECT_EQ(count_of(outcome.err, "epitrain: error: "), 1) << outcome.all();
  }
}

TEST(CommandLine, wrongLine_onTwoRanks_isOneMessage) {
  const Outcome outcome = mpirun(2, "fly", fresh_folder("usage2"));
  EXPECT_EQ(outcome.code, 64) << outcome.all();
  EXPECT_EQ(count_of(outcome.err, "epitrain: error: "), 1) << outcome.all();
}

TEST(CommandLine, cudaWithoutAGpu_isOneMessageAndCode69OnAllRanks) {
  if (core::cuda_device_count() > 0) GTEST_SKIP() << "this machine has a GPU";
  const auto folder = fresh_folder("device");
  write(folder / "config.toml", "[data]\nstore = \"store\"\n");
  for (const Outcome& outcome :
       {epitrain("pretrain config.toml --out run --device cuda", folder),
        mpirun(2, "pretrain config.toml --out run --device cuda", folder)}) {
    EXPECT_EQ(outcome.code, 69) << outcome.all();
    EXPECT_NE(outcome.err.find(core::cuda_missing()), std::string::npos) << outcome.all();
    EXPECT_EQ(count_of(outcome.err, "epitrain: error: "), 1) << outcome.all();
  }
}

TEST(CommandLine, missingInput_isCode66AndNamesIt) {
  const auto folder = fresh_folder("missing");
  for (const char* line : {"inspect nowhere", "verify nowhere", "pretrain nowhere --out run",
                           "prepare --genome nowhere --states nowhere --out store",
                           "evaluate nowhere --split valid"}) {
    const Outcome outcome = epitrain(line, folder);
    EXPECT_EQ(outcome.code, 66) << line << "\n" << outcome.all();
    EXPECT_NE(outcome.err.find("nowhere"), std::string::npos) << outcome.all();
    EXPECT_EQ(count_of(outcome.err, "epitrain: error: "), 1) << outcome.all();
  }
}

TEST(CommandLine, missingStore_onTwoRanks_isOneMessageAndCode66) {
  for (const char* line : {"inspect nowhere", "verify nowhere"}) {
    const Outcome outcome = mpirun(2, line, fresh_folder("missing2"));
    EXPECT_EQ(outcome.code, 66) << line << "\n" << outcome.all();
    EXPECT_EQ(count_of(outcome.err, "epitrain: error: "), 1) << outcome.all();
  }
}

TEST(CommandLine, outputThatCannotBeWritten_isCode74) {
  const auto folder = fresh_folder("full");
  write(folder / "run.toml", "[data]\nstore = \"s\"\n");
  write(folder / "a.bed", "a\t0\t500\tE1\n");
  std::filesystem::create_directories(folder / "states");
  write(folder / "states" / "E003_25_imputed12marks_mnemonics.bed", "a\t0\t500\tE1\n");
  for (const char* line : {"--version", "--version --json", "--help", "inspect a.bed",
                           "sheet states", "pretrain run.toml --out run --print-config",
                           "bench step --model tiny --tokens 32 --steps 1"}) {
    const Outcome outcome = epitrain(std::string(line) + " > /dev/full", folder);
    EXPECT_EQ(outcome.code, 74) << line << "\n" << outcome.all();
    EXPECT_NE(outcome.err.find("standard output could not be written"), std::string::npos) << line;
  }
}

TEST(CommandLine, wrongConfig_isCode78AndNamesTheLine) {
  const auto folder = fresh_folder("config");
  const auto refused = [&](const std::string& text, const std::string& part) {
    write(folder / "run.toml", text);
    const Outcome outcome = epitrain("pretrain run.toml --out run --print-config", folder);
    EXPECT_EQ(outcome.code, 78) << outcome.all();
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.all();
  };
  refused("[data]\nstore = \"s\"\n[train]\nstepz = 3\n", "run.toml:4");
  refused("[data]\nstore = \"s\"\n[train]\nsteps = 3\nsteps = 4\n", "run.toml:5");
  refused("[data]\nstore = \"s\"\n[train]\nsteps = \"many\"\n", "run.toml:4");
  refused("[data]\nstore = \"s\"\n[train]\nsteps = -1\n", "run.toml:4");
  refused("[data]\nstore = \n", "run.toml:2");
  refused("[train]\nsteps = 3\n", "data.store");
}

TEST(CommandLine, printedConfig_readBack_isTheSame) {
  const auto folder = fresh_folder("print");
  write(folder / "run.toml", "[data]\nstore = \"s\"\n[train]\nsteps = 30\n");
  const Outcome first =
      epitrain("pretrain run.toml --out run --set train.seed=7 --print-config", folder);
  ASSERT_EQ(first.code, 0) << first.all();
  EXPECT_NE(first.out.find("seed = 7"), std::string::npos) << first.out;
  EXPECT_NE(first.out.find("steps = 30"), std::string::npos) << first.out;
  write(folder / "again.toml", first.out);
  const Outcome second = epitrain("pretrain again.toml --out run --print-config", folder);
  ASSERT_EQ(second.code, 0) << second.all();
  EXPECT_EQ(first.out, second.out);
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

TEST(CommandLine, benchStep_asJson_saysWhatItMeasured) {
  const Outcome outcome =
      epitrain("bench step --model tiny --tokens 32 --steps 2 --json", fresh_folder("bench"));
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json.at("input"), "synthetic");
  EXPECT_GT(json.at("tokens_per_s").get<double>(), 0.0);
  EXPECT_GT(json.at("share_of_peak").get<double>(), 0.0);
  EXPECT_LT(json.at("share_of_peak").get<double>(), 1.0);
  // Two losses near their uniform values, ln 4096 and ln 25: the step was a real one.
  EXPECT_NEAR(json.at("loss").get<double>(), 8.32 + 3.22, 0.6);
}

TEST(CommandLine, benchPrepare_asJson_saysWhatItMeasuredAndLeavesNothing) {
  const auto folder = fresh_folder("bench_prepare");
  const std::string options = "--genome-mb 3 --cells 2 --intervals 300 --gzip --json";
  const Outcome outcome =
      run("mkdir tmp && TMPDIR=$PWD/tmp '" EPI_PROGRAM "' bench prepare " + options, folder);
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json.at("input"), "synthetic");
  EXPECT_NEAR(json.at("bases").get<double>(), 3e6, 100.0);
  EXPECT_EQ(json.at("intervals"), 600);
  // A byte for each base outside of long runs of N, and for each bin of both cell types.
  EXPECT_NEAR(json.at("store_bytes").get<double>(), 2.95e6 * (1.0 + 2.0 / 200.0), 2e5);
  EXPECT_GT(json.at("seconds").at("total").get<double>(), 0.0);
  EXPECT_GT(json.at("states_mlines_per_s").get<double>(), 0.0);
  EXPECT_TRUE(std::filesystem::is_empty(folder / "tmp")) << "scratch files are left";
}

}  // namespace
}  // namespace epi::launch_test
