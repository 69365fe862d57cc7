// How ranks come to their GPUs and to a transport. NCCL itself needs a GPU for each rank; what it
// refuses is decided before it is called, and tested here on emulated devices.
#include "dist/transport.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/error.hpp"
#include "dist/nccl.hpp"

namespace epi::dist {
namespace {

constexpr const char* kH200 = "NVIDIA H200";

std::vector<RankGpu> four_gpus() {
  return {{"node1", "0000:17:00.0", kH200},
          {"node1", "0000:65:00.0", kH200},
          {"node2", "0000:17:00.0", kH200},
          {"node2", "0000:65:00.0", kH200}};
}

void expect_words(const std::string& text, const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    EXPECT_NE(text.find(word), std::string::npos) << "no \"" << word << "\" in: " << text;
  }
}

TEST(DeviceIndex_enoughVisible, isTheLocalRank) {
  EXPECT_EQ(device_index_for(0, 1, 1), 0);
  EXPECT_EQ(device_index_for(3, 4, 8), 3);
  EXPECT_EQ(device_index_for(7, 8, 8), 7);
}

TEST(DeviceIndex_oneVisibleForEachRank, isZero) {
  EXPECT_EQ(device_index_for(5, 8, 1), 0);
}

TEST(DeviceIndex_tooFewVisible, namesTheNumbers) {
  try {
    (void)device_index_for(2, 8, 4);
    FAIL() << "8 ranks on 4 GPUs";
  } catch (const core::UsageError& error) {
    expect_words(error.what(), {"local rank 2 of 8", "sees 4 GPUs", "--gpus-per-task=1"});
  }
  EXPECT_THROW((void)device_index_for(0, 1, 0), core::UsageError);
}

TEST(SharedGpu_oneEach, isNothing) {
  EXPECT_EQ(shared_gpu(four_gpus()), "");
  EXPECT_EQ(mixed_models(four_gpus()), "");
}

TEST(SharedGpu_sameAddressOnOneHost, namesRanksGpuAndHost) {
  std::vector<RankGpu> gpus = four_gpus();
  gpus[3] = gpus[2];
  EXPECT_EQ(shared_gpu(gpus), "ranks 2 and 3 share GPU 0000:17:00.0 (NVIDIA H200) of node2");
}

TEST(ChooseTransport_automatic, takesNcclWhereItCan) {
  EXPECT_TRUE(choose_transport(Transport::automatic, four_gpus(), "").nccl);
  EXPECT_FALSE(choose_transport(Transport::automatic, four_gpus(), "no library").nccl);
  expect_words(choose_transport(Transport::automatic, four_gpus(), "no library").why,
               {"page-locked memory", "no library"});
}

TEST(ChooseTransport_automaticOnOneCard, goesThroughTheHostAndSaysWhy) {
  std::vector<RankGpu> gpus = four_gpus();
  gpus[1] = gpus[0];
  const TransportChoice choice = choose_transport(Transport::automatic, gpus, "");
  EXPECT_FALSE(choice.nccl);
  expect_words(choice.why, {"ranks 0 and 1 share GPU 0000:17:00.0"});
}

TEST(ChooseTransport_ncclOnOneCard, isRefusedWithWhatToDo) {
  std::vector<RankGpu> gpus = four_gpus();
  gpus[1] = gpus[0];
  try {
    (void)choose_transport(Transport::nccl, gpus, "");
    FAIL() << "two ranks on one GPU";
  } catch (const core::UsageError& error) {
    expect_words(error.what(), {"ranks 0 and 1", "0000:17:00.0", "node1", "CUDA_VISIBLE_DEVICES",
                                "--gpus-per-task=1", "\"staged\""});
  }
}

TEST(ChooseTransport_ncclWithoutLibrary, isRefused) {
  EXPECT_THROW((void)choose_transport(Transport::nccl, four_gpus(), "no library"),
               core::ConfigError);
}

TEST(ChooseTransport_staged, isLeftToTheHost) {
  EXPECT_FALSE(choose_transport(Transport::staged, four_gpus(), "").nccl);
}

TEST(ChooseTransport_mixedModels, areRefusedByName) {
  std::vector<RankGpu> gpus = four_gpus();
  gpus[3].name = "NVIDIA A100-SXM4-80GB";
  for (const Transport wish : {Transport::automatic, Transport::nccl, Transport::staged}) {
    try {
      (void)choose_transport(wish, gpus, "");
      FAIL() << "two models";
    } catch (const core::ConfigError& error) {
      expect_words(error.what(),
                   {"rank 0 on node1 has NVIDIA H200", "rank 3 on node2", "NVIDIA A100-SXM4-80GB"});
    }
  }
}

TEST(TransportNamed_anyName, isKnownOrRefused) {
  EXPECT_EQ(transport_named("auto"), Transport::automatic);
  EXPECT_EQ(transport_named("nccl"), Transport::nccl);
  EXPECT_EQ(transport_named("staged"), Transport::staged);
  EXPECT_THROW((void)transport_named("mpi"), core::ConfigError);
}

/// What `wish` leads to for two ranks on emulated devices of these numbers.
std::string used(Transport wish, core::Device first, core::Device second) {
  std::string why;
  run_threads(2, [&](Communicator& world) {
    std::unique_ptr<Communicator> ranks = world.node_group();
    const std::string mine = use_transport(ranks, world.rank() == 0 ? first : second, wish);
    EXPECT_EQ(ranks->gather_text(mine), std::vector<std::string>(2, mine));
    if (world.rank() == 0) why = mine;
  });
  return why;
}

constexpr core::Device kGpu{core::DeviceKind::cuda, 0};
constexpr core::Device kOther{core::DeviceKind::cuda, 1};

TEST(UseTransport_twoRanksOnOneGpu, staysWithTheHost) {
  expect_words(used(Transport::automatic, kGpu, kGpu), {"page-locked", "ranks 0 and 1 share GPU"});
  EXPECT_THROW((void)used(Transport::nccl, kGpu, kGpu), core::Error);
}

TEST(UseTransport_staged, staysWithTheHost) {
  expect_words(used(Transport::staged, kGpu, kOther), {"as asked for"});
}

TEST(UseTransport_ncclInABuildWithoutIt, isRefusedByAllRanks) {
  if (nccl_missing().empty()) GTEST_SKIP() << "this build has NCCL";
  EXPECT_THROW((void)used(Transport::nccl, kGpu, kOther), core::ConfigError);
  expect_words(used(Transport::automatic, kGpu, kOther), {"page-locked", "no NCCL"});
}

TEST(UseTransport_cpuOrAlone, hasNothingToChoose) {
  EXPECT_EQ(used(Transport::automatic, core::kCpu, core::kCpu), "in memory of the host");
  EXPECT_THROW((void)used(Transport::nccl, core::kCpu, core::kCpu), core::ConfigError);
  std::unique_ptr<Communicator> alone = make_solo();
  EXPECT_EQ(use_transport(alone, kGpu, Transport::automatic), "none, there is one rank");
}

/// A rank whose GPU is not there must not leave the other one waiting.
TEST(GatherGpus_oneRankWithoutDevice, isThrownByAllRanks) {
  int failures = 0;
  run_threads(2, [&](Communicator& world) {
    const core::Device device{core::DeviceKind::cuda, world.rank() == 1 ? 99 : 0};
    try {
      (void)gather_gpus(world, device);
    } catch (const core::DeviceError&) {
      world.barrier();
      if (world.rank() == 0) ++failures;
    }
  });
  EXPECT_EQ(failures, 1);
}

}  // namespace
}  // namespace epi::dist
