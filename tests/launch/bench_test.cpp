// The benches at tiny sizes: their JSON parses, and every row has a value, its formula, the roof of
// the same run and a share that a machine can reach.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "launch/program.hpp"

namespace epi::launch_test {
namespace {

using nlohmann::json;

/// On the CPU, also on machines with a GPU.
json bench(const std::string& line) {
  const Outcome outcome =
      epitrain("bench " + line + " --device cpu --threads 1 --json", fresh_folder("bench"));
  EXPECT_EQ(outcome.code, 0) << outcome.all();
  return json::parse(outcome.out);
}

/// That a value stays below its roof is not asked for: on a shared machine, or where sanitizers
/// slow the roof's own loop, it does not.
void expect_judged(const json& row) {
  EXPECT_GT(row.at("share").get<double>(), 0.0) << row;
  EXPECT_NEAR(row.at("share").get<double>(),
              row.at("value").get<double>() / row.at("roof").get<double>(), 1e-9)
      << row;
  EXPECT_FALSE(row.at("formula").get<std::string>().empty()) << row;
  EXPECT_TRUE(row.at("unit") == "GFLOP/s" || row.at("unit") == "GB/s") << row;
}

void expect_rows(const json& result, std::size_t count) {
  EXPECT_EQ(result.at("input"), "synthetic");
  ASSERT_EQ(result.at("rows").size(), count);
  for (const json& row : result.at("rows")) {
    expect_judged(row);
    EXPECT_LE(row.at("best_s").get<double>(), row.at("median_s").get<double>());
  }
  for (const char* roof : {"fp32_gflop_per_s", "read_gb_per_s", "copy_gb_per_s"}) {
    EXPECT_GT(result.at("roofs").at(roof).get<double>(), 0.0) << roof;
  }
}

TEST(BenchGemm, tiny_hasFiveProductsInThreeDirections) {
  const json result = bench("gemm --model tiny --batch 1 --tokens 64 --seconds 0.01");
  expect_rows(result, 15);
  // Query, key and value of 64 tokens: 2 x 64 x 384 x 128.
  EXPECT_EQ(result.at("rows")[0].at("flops"), 2.0 * 64 * 384 * 128);
}

TEST(BenchAttention, lengthsAndHeads_haveTwoRowsEach) {
  const json result =
      bench("attention --tokens 16,64 --head 32,64 --hidden 128 --rows 128 --seconds 0.01");
  expect_rows(result, 8);
  // Eight windows of 16 tokens; forward 4 B T^2 H, its gradient 8.
  EXPECT_EQ(result.at("rows")[0].at("flops"), 4.0 * 8 * 16 * 16 * 128);
  EXPECT_EQ(result.at("rows")[1].at("flops"), 8.0 * 8 * 16 * 16 * 128);
}

TEST(BenchAttention, headThatDoesNotDivide_isUsage) {
  const Outcome outcome =
      epitrain("bench attention --hidden 100 --head 64", fresh_folder("bench_head"));
  EXPECT_EQ(outcome.code, 64) << outcome.all();
}

TEST(BenchEmbedding, uniformAndSkewed_forwardAndGradient) {
  expect_rows(bench("embedding --model tiny --batch 1 --tokens 64 --seconds 0.01"), 4);
}

TEST(BenchOptimizer, tiny_movesFour28And40BytesAParameter) {
  const json result = bench("optimizer --model tiny --seconds 0.01");
  expect_rows(result, 3);
  const double norm = result.at("rows")[0].at("bytes");
  EXPECT_EQ(result.at("rows")[1].at("bytes").get<double>(), 7.0 * norm);
  EXPECT_EQ(result.at("rows")[2].at("bytes").get<double>(), 10.0 * norm);
  EXPECT_GE(norm, 4.0 * result.at("parameters").get<double>());
}

TEST(BenchMemory, tiny_hasTheOpsThatOnlyMoveIt) {
  const json result = bench(
      "memory --model tiny --batch 1 --tokens 64 --parameters 10000 --dropout 0.1 --seconds 0.01");
  expect_rows(result, 9);
  for (const json& row : result.at("rows")) EXPECT_EQ(row.at("unit"), "GB/s") << row;
  // Two operands of 64 x 128 are read and one written, in the precision of the run.
  EXPECT_GT(result.at("rows")[0].at("bytes").get<double>(), 3.0 * 2 * 64 * 128);
}

TEST(BenchAllreduce, ranksAsThreads_sumAndAreTimed) {
  const Outcome outcome =
      epitrain("bench allreduce --device cpu --mb 0.4 --ranks 1,3 --repeats 2 --json",
               fresh_folder("allreduce"));
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  const json result = json::parse(outcome.out);
  ASSERT_EQ(result.at("rows").size(), 2U);
  const json& three = result.at("rows")[1];
  EXPECT_EQ(three.at("ranks"), 3);
  EXPECT_EQ(three.at("bytes"), 400'000.0);
  EXPECT_EQ(result.at("rows")[0].at("bus_gb_per_s"), 0.0);  // one rank moves nothing
  EXPECT_NEAR(three.at("bus_gb_per_s").get<double>(),
              three.at("algorithm_gb_per_s").get<double>() * 4.0 / 3.0, 1e-9);
}

TEST(BenchStep_asTrained, isTheSameModelAsPartByPart) {
  const std::string line = "step --model tiny --tokens 64 --batch 2 --steps 3 --precision fp32";
  const json whole = bench(line + " --as-trained --profile"), parts = bench(line);
  EXPECT_EQ(whole.at("parameters"), parts.at("parameters"));
  EXPECT_NEAR(whole.at("loss").get<double>(), 8.32 + 3.22, 1.0);  // few targets: ln V + ln S, about
  EXPECT_GT(whole.at("mfu").get<double>(), 0.0);
  std::set<std::string> ops;
  for (const json& row : whole.at("profile")) ops.insert(row.at("op").get<std::string>());
  for (const char* op : {"assemble", "begin_step", "attend", "embed_grad", "update"}) {
    EXPECT_TRUE(ops.contains(op)) << op;
  }
}

TEST(BenchJson_file, tableIsPrintedAndTheFileParses) {
  const auto folder = fresh_folder("bench_json");
  const Outcome outcome = epitrain(
      "bench optimizer --device cpu --model tiny --seconds 0.01 --threads 1 --json one.json",
      folder);
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_NE(outcome.out.find("median ms"), std::string::npos);
  std::ifstream file(folder / "one.json");
  EXPECT_EQ(json::parse(file).at("bench"), "optimizer");
}

TEST(BenchDevice, unknownIsUsageAndAbsentSaysWhy) {
  const auto folder = fresh_folder("bench_device");
  EXPECT_EQ(epitrain("bench gemm --device tpu", folder).code, 64);
  EXPECT_EQ(epitrain("bench gemm --device cuda:x", folder).code, 64);
  const Outcome absent = epitrain("bench gemm --device cuda:99", folder);
  EXPECT_EQ(absent.code, 69) << absent.all();
}

TEST(BenchStep_profile, opsAndTheRestMakeTheStep) {
  const json result = bench("step --model tiny --tokens 64 --steps 2 --profile --precision fp32");
  double sum = 0.0;
  std::set<std::string> ops;
  for (const json& row : result.at("profile")) {
    sum += row.at("seconds").get<double>();
    ops.insert(row.at("op").get<std::string>());
    if (row.at("op") != "outside of ops") expect_judged(row);
  }
  EXPECT_NEAR(sum, result.at("step_s").get<double>(), 0.01 * result.at("step_s").get<double>());
  for (const char* op : {"assemble", "embed", "linear", "attend", "add_norm", "class_loss",
                         "attend_grad", "linear_grad_weight", "update", "outside of ops"}) {
    EXPECT_TRUE(ops.contains(op)) << op;
  }
}

TEST(BenchStep_forward, hasNoGradients) {
  const json step = bench("step --model tiny --tokens 64 --steps 1");
  const json forward = bench("step --model tiny --tokens 64 --steps 1 --forward");
  EXPECT_EQ(forward.at("pass"), "forward");
  EXPECT_EQ(forward.at("seconds").at("backward"), 0.0);
  EXPECT_NEAR(forward.at("loss").get<double>(), 8.32 + 3.22, 0.6);
  EXPECT_LT(forward.at("peak_memory_mib").get<double>(), step.at("peak_memory_mib").get<double>());
}

// Large enough that activations do not fit where gradients will be.
TEST(BenchStep_recompute, keepsLessInMemory) {
  const std::string line = "step --model small --tokens 256 --batch 8 --steps 1 --recompute ";
  EXPECT_LT(bench(line + "layer").at("activation_mib").get<double>(),
            bench(line + "none").at("activation_mib").get<double>());
}

TEST(BenchStep_precision, unknown_isUsageAndLackingIsSaid) {
  const auto folder = fresh_folder("bench_precision");
  EXPECT_EQ(epitrain("bench step --precision fp8", folder).code, 64);
  const Outcome lacking = run("EPITRAIN_ISA=base '" EPI_PROGRAM
                              "' bench step --device cpu --model tiny --tokens 32 --precision bf16",
                              folder);
  EXPECT_NE(lacking.code, 0);
  EXPECT_NE(lacking.err.find("bf16"), std::string::npos) << lacking.all();
}

TEST(BenchStep_table, namesTheRoofsAndWhatIsLeft) {
  const Outcome outcome =
      epitrain("bench step --model tiny --tokens 64 --steps 1 --profile --device cpu",
               fresh_folder("table"));
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  for (const char* text : {"roofs measured here", "share", "outside of ops", "peak memory", "#"}) {
    EXPECT_NE(outcome.out.find(text), std::string::npos) << text;
  }
}

TEST(BenchPeers, help_isPrintedAndNoPythonIsUsage) {
  const auto folder = fresh_folder("peers");
  const Outcome help = run("'" EPI_SCRIPTS "/bench-peers' --help", folder);
  EXPECT_EQ(help.code, 0) << help.all();
  EXPECT_NE(help.out.find("--quick"), std::string::npos);
  EXPECT_EQ(run("'" EPI_SCRIPTS "/bench-peers'", folder).code, 64);
}

// The script with every part that needs no GPU, on the programs of this build.
TEST(GpuCheck_rehearsal, runsItsPartsAndWritesTheTable) {
  const auto folder = fresh_folder("gpu_check");
  const Outcome outcome = run("'" EPI_SCRIPTS "/gpu-check' here --build '" EPI_BUILD
                              "' --rehearse --python none --out results",
                              folder);
  EXPECT_EQ(outcome.code, 0) << outcome.all();
  std::ifstream file(folder / "results" / "results.json");
  const json results = json::parse(file);
  std::set<std::string> passed;
  for (const json& part : results.at("parts")) {
    EXPECT_NE(part.at("status"), "failed") << part;
    if (part.at("status") == "passed") passed.insert(part.at("part").get<std::string>());
  }
  for (const char* part : {"facts", "step_base", "step_base_profile", "attention", "gemm", "memory",
                           "embedding", "step_large", "allreduce"}) {
    EXPECT_TRUE(passed.contains(part)) << part;
    EXPECT_TRUE(part == std::string("facts") || results.at("benches").contains(part)) << part;
  }
  EXPECT_NE(outcome.out.find("| what | rehearsed | predicted | goal |"), std::string::npos);
  EXPECT_TRUE(results.at("rehearsal").get<bool>());
  // What cannot be true of a GPU here must not look measured.
  EXPECT_EQ(outcome.out.find("| measured |"), std::string::npos);
  ASSERT_EQ(results.at("twenty_steps").size(), 1U);
  EXPECT_EQ(results.at("twenty_steps")[0].at("largest_difference"), 0.0);
}

TEST(GpuCheck_withoutAGpu, saysSoAndExits69) {
  const Outcome outcome =
      run("PATH=/usr/bin:/bin '" EPI_SCRIPTS "/gpu-check' here", fresh_folder("gpu"));
  if (outcome.code != 69) GTEST_SKIP() << "this machine has a GPU";
  EXPECT_NE(outcome.err.find("no GPU"), std::string::npos) << outcome.all();
}

TEST(GpuCheck_usage, wrongOptionIs64AndNoFolderIs66) {
  const auto folder = fresh_folder("gpu_usage");
  EXPECT_EQ(run("'" EPI_SCRIPTS "/gpu-check' --what", folder).code, 64);
  EXPECT_EQ(run("'" EPI_SCRIPTS "/gpu-check' . --rehearse", folder).code, 66);
  EXPECT_EQ(run("'" EPI_SCRIPTS "/gpu-check' --help", folder).code, 0);
  EXPECT_EQ(run("'" EPI_SCRIPTS "/gpu-check-gather' --help", folder).code, 0);
}

}  // namespace
}  // namespace epi::launch_test
