// Copies of the weights are compared by their bits, and the odd one is named.
#include "train/replicas.hpp"

#include <gtest/gtest.h>

#include <bit>

#include "core/buffer.hpp"
#include "core/digest.hpp"
#include "train/instruction_set.hpp"

namespace epi::train {
namespace {

constexpr std::int64_t kElements = 1000;

/// What each of so many ranks is told; one bit is flipped on rank `flipped`.
std::string told(int ranks, int flipped) {
  std::string text;
  dist::run_threads(ranks, [&](dist::Communicator& world) {
    core::Stream stream(core::kCpu);
    const core::Tensor weights(core::DType::f32, {kElements});
    auto* const w = weights.as<float>();
    for (std::int64_t i = 0; i < kElements; ++i) w[i] = static_cast<float>(i) * 0.1F;
    if (world.rank() == flipped) {
      w[617] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(w[617]) ^ 1U);
    }
    const std::string mine = unlike_replicas(weights.view(), stream, world);
    const std::vector<std::string> all = world.gather_text(mine);
    for (const std::string& other : all) EXPECT_EQ(other, mine);
    if (world.rank() == 0) text = mine;
  });
  return text;
}

TEST(UnlikeReplicas_oneBitOnOneRank_namesIt, orNobody) {
  EXPECT_EQ(told(4, -1), "");
  EXPECT_EQ(told(4, 2), "rank 2");
  EXPECT_EQ(told(4, 0), "rank 0") << "most ranks are right, not the first";
  EXPECT_EQ(told(2, 1), "rank 1");
}

TEST(OddOnes_byHowManyAreAlike_orTheLowestRank, byHand) {
  using Texts = std::vector<std::string>;
  EXPECT_EQ(odd_ones(Texts{"a"}), std::vector<int>{});
  EXPECT_EQ(odd_ones(Texts{"b", "a", "a"}), std::vector<int>{0});
  EXPECT_EQ(odd_ones(Texts{"b", "a", "b", "a"}), (std::vector<int>{1, 3}));
  EXPECT_EQ(odd_ones(Texts{"a", "b", "c", "c"}), (std::vector<int>{0, 1}));
}

TEST(DigestOfBlock_onTheHost_isTheDigestOfItsBytes, asFilesHave) {
  core::Stream stream(core::kCpu);
  const core::Tensor block(core::DType::f32, {3});
  block.as<float>()[1] = 1.5F;
  EXPECT_EQ(digest_of_block(block.view(), stream),
            core::digest_of(std::span<const std::byte>(block.view().raw(), 12)));
}

TEST(LowestOf_instructionSets_isTheOneThatAllHave, inAnyOrder) {
  using Texts = std::vector<std::string>;
  EXPECT_EQ(lowest_of(Texts{"avx512", "avx2", "avx512"}), "avx2");
  EXPECT_EQ(lowest_of(Texts{"avx2", "sse2"}), "sse2");
  EXPECT_EQ(lowest_of(Texts{"avx512"}), "avx512");
}

}  // namespace
}  // namespace epi::train
