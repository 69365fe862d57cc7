// The MPI twin, under mpirun: the common checks over all ways to sum, and what only MPI promises.
#include "dist/mpi.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "core/error.hpp"
#include "dist/collective_checks.hpp"
#include "dist/mpi_main.hpp"
#include "dist/mpi_ways.hpp"

namespace epi::dist {
namespace {

// MPI starts once per process and googletest makes the test objects: main lends them the runtime.
MpiRuntime* runtime = nullptr;

class Mpi : public testing::TestWithParam<std::tuple<Way, CollectiveCheck>> {};

TEST_P(Mpi, AnyCollective_anyNumberOfRanks_holds) {
  const Way& way = std::get<0>(GetParam());
  std::get<1>(GetParam()).run(*runtime->world(way.exchange, way.hosts));
}

INSTANTIATE_TEST_SUITE_P(
    All, Mpi, testing::Combine(testing::ValuesIn(kWays), testing::ValuesIn(collective_checks())),
    [](const auto& at) {
      return std::string(std::get<1>(at.param).name) + "_" + std::get<0>(at.param).name;
    });

TEST(MpiWorld_oneHost, knowsItsNode) {
  const std::unique_ptr<Communicator> world = runtime->world();
  EXPECT_EQ(world->node_size(), world->size());
  EXPECT_EQ(world->node_rank(), world->rank());
  EXPECT_NE(world->description().find("on 1 node"), std::string::npos) << world->description();
}

TEST(MpiWorld_pretendedHosts, areCountedAndShareMemoryAmongThemselves) {
  const std::unique_ptr<Communicator> world =
      runtime->world(HostExchange::shared_memory, PretendedHosts{2});
  EXPECT_EQ(world->node_rank(), world->rank() % 2);
  const bool alone = world->size() % 2 == 1 && world->rank() == world->size() - 1;
  EXPECT_EQ(world->node_size(), alone ? 1 : 2);
  const std::string hosts = "on " + std::to_string((world->size() + 1) / 2) + " node";
  EXPECT_NE(world->description().find(hosts), std::string::npos) << world->description();
  const bool regular = world->size() <= 2 || world->size() % 2 == 0;
  EXPECT_EQ(world->description().find("by messages") == std::string::npos, regular);
}

TEST(MpiWorld_unlikeSizesOnTwoHosts, areABrokenPromiseOnAllRanks) {
  if (runtime->world()->size() != 4) GTEST_SKIP() << "two hosts of two ranks; runs with 4";
  const auto world = runtime->world(HostExchange::shared_memory, PretendedHosts{2});
  const core::Tensor memory = world->reducible(core::DType::f32, 90000, core::kCpu);
  // One rank of one host, and both ranks of one host.
  for (const int different : {1, 2}) {
    const View view = memory.view().slice(0, 80000 + (world->rank() < different ? 0 : 1));
    EXPECT_THROW((void)world->start(Reduce::sum, view, Event()), core::LogicError);
  }
  world->barrier();
}

TEST(MpiWorld_unlikeSizes, areABrokenPromiseOnAllRanks) {
  const std::unique_ptr<Communicator> world = runtime->world();
  if (world->size() == 1) GTEST_SKIP() << "one rank is like itself; runs with 2 to 4";
  const core::Tensor memory = world->reducible(core::DType::f32, 90000, core::kCpu);
  for (const std::int64_t count : {5, 80000}) {
    const View view = memory.view().slice(0, count + (world->rank() == 0 ? 0 : 1));
    EXPECT_THROW((void)world->start(Reduce::sum, view, Event()), core::LogicError);
  }
  world->barrier();  // all have heard of it, and the communicator still works
}

TEST(MpiWorld_reducibleMemory, mayEndAfterItsCommunicatorAndInAnyNumber) {
  std::unique_ptr<Communicator> world = runtime->world();
  std::vector<core::Tensor> blocks;
  for (std::int64_t i = 1; i <= 5; ++i) {
    blocks.push_back(world->reducible(core::DType::f64, 10000 * i, core::kCpu));
  }
  blocks.erase(blocks.begin() + 1);
  for (const core::Tensor& block : blocks) {
    std::fill_n(block.as<double>(), block.view().size(), 1.0);
    Stream stream(core::kCpu);
    world->start(Reduce::sum, block, Event()).wait(stream);
    EXPECT_EQ(block.as<double>()[block.view().size() - 1], world->size());
  }
  world.reset();
  EXPECT_GT(blocks[0].as<double>()[0], 0.0);
}

TEST(MpiWorld_noRoomForWindows, sumsPrivateMemoryAndSaysSo) {
  const std::unique_ptr<Communicator> world = runtime->world();
  if (world->size() == 1) GTEST_SKIP() << "one rank makes no windows; runs with 2 to 4";
  // No file system is smaller than this one.
  setenv("OMPI_MCA_osc_sm_backing_directory", "/proc", 1);
  const core::Tensor memory = world->reducible(core::DType::f32, 10000, core::kCpu);
  unsetenv("OMPI_MCA_osc_sm_backing_directory");
  std::fill_n(memory.as<float>(), 10000, 2.0F);
  Stream stream(core::kCpu);
  world->start(Reduce::sum, memory, Event()).wait(stream);
  const float truth = 2.0F * static_cast<float>(world->size());
  EXPECT_EQ(std::count(memory.as<float>(), memory.as<float>() + 10000, truth), 10000);
  EXPECT_NE(world->description().find("/dev/shm"), std::string::npos) << world->description();
}

TEST(MpiWorld_librarySum, isTheSum) {
  std::vector<float> values(1000, 1.5F);
  library_sum(View(values.data(), {1000}));
  const std::unique_ptr<Communicator> world = runtime->world();
  EXPECT_EQ(std::count(values.begin(), values.end(), 1.5F * static_cast<float>(world->size())),
            1000);
}

TEST(MpiWorld_otherThread, isABrokenPromise) {
  const std::unique_ptr<Communicator> world = runtime->world();
  bool refused = false;
  std::thread([&] {
    try {
      world->barrier();
    } catch (const core::LogicError&) {
      refused = true;
    }
  }).join();
  EXPECT_TRUE(refused);
}

TEST(MpiWorld_truncatedMessage, becomesCommErrorWithTheTextOfMpi) {
  const std::unique_ptr<Communicator> world = runtime->world();
  if (world->size() == 1) GTEST_SKIP() << "one rank sends no messages; runs with 2 to 4";
  if (world->rank() > 1) return;
  double mine[2] = {1.0, 2.0};
  double theirs = 0.0;
  try {
    (void)world->exchange(1 - world->rank(), View(mine, {2}), View(&theirs, {1}), {});
    ADD_FAILURE() << "a truncated message was taken";
  } catch (const core::CommError& error) {
    EXPECT_NE(std::string(error.what()).find("MPI_ERR_TRUNCATE"), std::string::npos)
        << error.what();
  }
}

TEST(MpiWorld_shortMessage, isABrokenPromise) {
  const std::unique_ptr<Communicator> world = runtime->world();
  const int partner = (world->rank() ^ 1) < world->size() ? world->rank() ^ 1 : world->rank();
  double mine = 1.0;
  double theirs[2] = {};
  EXPECT_THROW((void)world->exchange(partner, View(&mine, {1}), View(theirs, {2}), {}),
               core::LogicError);
}

}  // namespace
}  // namespace epi::dist

int main(int argc, char** argv) {
  return epi::dist::run_tests_on_all_ranks(argc, argv, epi::dist::runtime);
}
