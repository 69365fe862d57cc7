// A run under mpirun against the same run of one process: the same losses, the same weights.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "dist/mpi.hpp"
#include "train/tiny_run.hpp"

namespace epi::train {
namespace {

// googletest makes the test objects; main lends them the runtime.
dist::MpiRuntime* runtime = nullptr;

// One folder for all ranks, named by rank 0.
std::string common_folder(dist::Communicator& world) {
  return world.gather_text(
      (fs::path(testing::TempDir()) / ("epitrain-mpi-" + std::to_string(getpid()))).string())[0];
}

TEST(PretrainMpi_anyRanks, sameLossesAsOneProcess) {
  const std::unique_ptr<dist::Communicator> world = runtime->world();
  const fs::path folder = common_folder(*world);
  const bool first = world->rank() == 0;
  if (first) write_tiny_store(folder / "store");
  world->barrier();
  RunConfig config = tiny_config(folder / "store");
  config.train.steps = 50;
  // Other numbers of ranks round sums otherwise; bf16 would make more of that than these bounds
  // say.
  config.train.precision = Precision::fp32;
  const core::Log log;
  const StopRequest stop;
  const RunResult result = pretrain(config, {folder / "world"}, *world, log, stop);
  EXPECT_EQ(result.step, 50);
  if (first) {
    const RunResult solo = run_solo(config, folder / "solo");
    const std::vector<double> truth = metrics_column(folder / "solo", kLossColumn);
    const std::vector<double> loss = metrics_column(folder / "world", kLossColumn);
    ASSERT_EQ(loss.size(), 50U);
    for (std::size_t i = 0; i < loss.size(); ++i) EXPECT_NEAR(loss[i], truth[i], 1e-5 * truth[i]);
    EXPECT_NEAR(result.validation->dna.nll, solo.validation->dna.nll,
                1e-4 * solo.validation->dna.nll);
    fs::remove_all(folder);
  }
  world->barrier();
}

// Whoever updates which part of the parameters.
TEST(PretrainMpi_shardedOptimizer, sameLossesAsUnsharded) {
  const std::unique_ptr<dist::Communicator> world = runtime->world();
  const fs::path folder = common_folder(*world);
  const bool first = world->rank() == 0;
  if (first) write_tiny_store(folder / "store");
  world->barrier();
  RunConfig config = tiny_config(folder / "store");
  config.train.precision = Precision::fp32;
  const core::Log log;
  const StopRequest stop;
  pretrain(config, {folder / "whole"}, *world, log, stop);
  config.train.shard_optimizer = true;
  config.train.bucket_mb = 0.006;  // several of them, even here
  pretrain(config, {folder / "sharded"}, *world, log, stop);
  if (first) {
    const std::vector<double> truth = metrics_column(folder / "whole", kLossColumn);
    const std::vector<double> loss = metrics_column(folder / "sharded", kLossColumn);
    ASSERT_EQ(loss.size(), 20U);
    for (std::size_t i = 0; i < loss.size(); ++i) EXPECT_NEAR(loss[i], truth[i], 1e-6 * truth[i]);
    fs::remove_all(folder);
  }
  world->barrier();
}

// Each rank with another number of threads, sums over ranks in shared memory.
TEST(PretrainMpi_reproducible_sameBitsAsOneProcess, onPowersOfTwo) {
  const std::unique_ptr<dist::Communicator> world = runtime->world();
  const fs::path folder = common_folder(*world);
  const bool first = world->rank() == 0;
  if (first) write_tiny_store(folder / "store");
  world->barrier();
  RunConfig config = tiny_config(folder / "store");
  config.train.steps = 5;
  config.train.global_batch = 48;  // 24 micro-batches: eight groups of three
  config.train.reproducible = true;
  config.train.replica_check_every = 1;
  config.train.threads = 1 + world->rank() % 2;
  const core::Log log;
  const StopRequest stop;
  const RunResult result = pretrain(config, {folder / "world"}, *world, log, stop);
  EXPECT_EQ(result.step, 5);
  if (first) {
    const RunResult solo = run_solo(config, folder / "solo");
    expect_same_files(checkpoint_path(folder / "solo", 5), checkpoint_path(folder / "world", 5));
    EXPECT_EQ(metrics_column(folder / "world", kLossColumn),
              metrics_column(folder / "solo", kLossColumn));
    EXPECT_EQ(result.validation->dna.nll, solo.validation->dna.nll);
    fs::remove_all(folder);
  }
  world->barrier();
}

}  // namespace
}  // namespace epi::train

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  epi::dist::MpiRuntime mpi(argc, argv);
  epi::train::runtime = &mpi;
  return RUN_ALL_TESTS();
}
