// The MPI twin, under mpirun: the common checks over both ways of one host, and what only MPI
// promises.
#include "dist/mpi.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "core/error.hpp"
#include "dist/collective_checks.hpp"

namespace epi::dist {
namespace {

// MPI starts once per process and googletest makes the test objects: main lends them the runtime.
MpiRuntime* runtime = nullptr;

class Mpi : public testing::TestWithParam<std::tuple<HostExchange, CollectiveCheck>> {};

TEST_P(Mpi, AnyCollective_anyNumberOfRanks_holds) {
  const std::unique_ptr<Communicator> world = runtime->world(std::get<0>(GetParam()));
  std::get<1>(GetParam()).run(*world);
}

INSTANTIATE_TEST_SUITE_P(All, Mpi,
                         testing::Combine(testing::Values(HostExchange::shared_memory,
                                                          HostExchange::messages),
                                          testing::ValuesIn(collective_checks())),
                         [](const auto& at) {
                           const bool shared = std::get<0>(at.param) == HostExchange::shared_memory;
                           return std::string(std::get<1>(at.param).name) +
                                  (shared ? "_shared" : "_messages");
                         });

TEST(MpiWorld_oneHost, knowsItsNode) {
  const std::unique_ptr<Communicator> world = runtime->world();
  EXPECT_EQ(world->node_size(), world->size());
  EXPECT_EQ(world->node_rank(), world->rank());
  EXPECT_NE(world->description().find("on 1 node"), std::string::npos) << world->description();
}

TEST(MpiWorld_sharedMemory, sumsInRankOrder) {
  // In f32, 1e8 + 1 = 1e8: the order shows. Truth by hand for one to four ranks.
  const std::vector<float> values = {1e8F, 1.0F, -1e8F, 1.0F};
  const std::vector<float> truth = {1e8F, 1e8F, 0.0F, 1.0F};
  const std::unique_ptr<Communicator> world = runtime->world();
  ASSERT_LE(world->size(), 4);
  std::vector<float> mine(9, values[static_cast<std::size_t>(world->rank())]);
  Stream stream(core::kCpu);
  world->start(Reduce::sum, View(mine.data(), {9}), Event()).wait(stream);
  for (const float sum : mine) EXPECT_EQ(sum, truth[static_cast<std::size_t>(world->size() - 1)]);
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
    world->exchange(1 - world->rank(), View(mine, {2}), View(&theirs, {1}));
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
  EXPECT_THROW(world->exchange(partner, View(&mine, {1}), View(theirs, {2})), core::LogicError);
}

}  // namespace
}  // namespace epi::dist

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  epi::dist::MpiRuntime runtime(argc, argv);
  epi::dist::runtime = &runtime;
  std::int64_t failed = RUN_ALL_TESTS();
  const std::unique_ptr<epi::dist::Communicator> world = runtime.world();
  epi::dist::Stream stream(epi::core::kCpu);
  world->start(epi::dist::Reduce::max, epi::dist::View(&failed, {1}), {}).wait(stream);
  return failed == 0 ? 0 : 1;
}
