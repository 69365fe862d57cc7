// Sums through shared memory, with threads for ranks and plain memory for windows: what MPI adds
// is only where the memory comes from. Truth is the arithmetic of one rank, in the tree.
#include "dist/shared_reduce.hpp"

#include <gtest/gtest.h>

#include <latch>
#include <thread>
#include <vector>

#include "core/buffer.hpp"
#include "dist/check_values.hpp"

namespace epi::dist {
namespace {

/// Memory of one part per rank.
class Memory {
 public:
  Memory(int ranks, std::size_t bytes) {
    for (int rank = 0; rank < ranks; ++rank) {
      buffers_.emplace_back(core::kCpu, bytes);
      parts.push_back(buffers_.back().data());
    }
  }
  SharedParts parts;

 private:
  std::vector<core::Buffer> buffers_;
};

/// Runs `body(rank, reduce)` on one thread per rank.
template <class Body>
void with_ranks(int ranks, Body body) {
  const Memory control(ranks, SharedReduce::control_bytes());
  std::latch made(ranks);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      SharedReduce reduce(control.parts, rank);
      made.arrive_and_wait();
      body(rank, reduce);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

/// Sums depend on the order: large numbers cancel, small ones are lost beside them.
float value(std::int64_t i, int rank) {
  const float large = rank % 2 == 0 ? 3e7F : -3e7F;
  return static_cast<float>(i % 19) / 7.0F + (i % 3 == 0 ? large : 0.0F);
}

float truth(std::int64_t i, int ranks) {
  std::vector<float> values;
  for (int rank = 0; rank < ranks; ++rank) values.push_back(value(i, rank));
  return tree_sum(values);
}

/// Fills, sums and compares elements [first, first + count) of `memory`.
void expect_sum(SharedReduce& reduce, int rank, int ranks, float* memory, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) memory[i] = value(i, rank);
  reduce.reduce(Reduce::sum, View(memory, {count}));
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < count; ++i) wrong += memory[i] != truth(i, ranks) ? 1 : 0;
  EXPECT_EQ(wrong, 0) << count << " elements on rank " << rank << " of " << ranks;
}

TEST(SharedReduce_anyMemory, hasTheBitsOfOneRanksArithmetic) {
  constexpr std::int64_t kCount = 100000;
  for (const int ranks : {1, 2, 3, 4, 6, 8}) {
    const Memory lent(ranks, kCount * sizeof(float));
    with_ranks(ranks, [&](int rank, SharedReduce& reduce) {
      const std::uint64_t loan = reduce.lend(lent.parts, kCount * sizeof(float));
      auto* const mine = reinterpret_cast<float*>(lent.parts[static_cast<std::size_t>(rank)]);
      std::vector<float> own(kCount);
      // Small, in place and in slots; whole cache lines, parts of them, and less than one a rank.
      for (const std::int64_t count : {1, 5, 2048, 2049, 5003, 99980}) {
        for (const std::int64_t first : {0, 1, 16, 19}) {
          expect_sum(reduce, rank, ranks, mine + first, count);
        }
        expect_sum(reduce, rank, ranks, own.data(), count);
      }
      reduce.meet();
      reduce.take_back(loan);
      expect_sum(reduce, rank, ranks, mine, 60000);  // still memory, but no longer lent
      reduce.meet();
    });
  }
}

TEST(SharedReduce_inPlace, leavesTheNeighboursAlone) {
  const Memory lent(2, 40000);
  with_ranks(2, [&](int rank, SharedReduce& reduce) {
    (void)reduce.lend(lent.parts, 40000);
    auto* const mine = reinterpret_cast<double*>(lent.parts[static_cast<std::size_t>(rank)]);
    for (int i = 0; i < 5000; ++i) mine[i] = 1.0;
    reduce.reduce(Reduce::sum, View(mine + 3, {4001}));
    for (int i = 0; i < 5000; ++i) {
      ASSERT_EQ(mine[i], i >= 3 && i < 4004 ? 2.0 : 1.0) << i << " on rank " << rank;
    }
    reduce.meet();
  });
}

}  // namespace
}  // namespace epi::dist
