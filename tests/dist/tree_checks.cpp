// Sums have the bits of the tree of ranks, and memory that all ranks of a host see changes nothing
// but the speed. Truth: the tree written out over what every rank brings.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/bf16.hpp"
#include "core/buffer.hpp"
#include "dist/check_values.hpp"
#include "dist/collective_checks.hpp"

namespace epi::dist {
namespace {

// A small message, more than one, and more than the pieces that transports cut (2 MB of f64).
const std::int64_t kTreeSizes[] = {5, 3001, 270011};
// Of one rank's part.
const std::int64_t kPartSizes[] = {5, 3001, 40009};

/// Numbers whose sums show their order: large ones cancel, small ones are lost beside them.
template <class T>
T number(std::int64_t i, int rank) {
  const auto mixed = static_cast<std::uint64_t>(i + 1) * 2654435761U +
                     static_cast<std::uint64_t>(rank + 1) * 40503U;
  const T large = mixed % 3 == 0 ? T{3e7} : mixed % 3 == 1 ? T{-3e7} : T{0};
  return large + static_cast<T>(mixed % 1009) / T{7};
}

template <class T>
void fill(const View& view, int rank) {
  for (std::int64_t i = 0; i < view.size(); ++i) view.as<T>()[i] = number<T>(i, rank);
}

/// Elements of `view` that are not the tree's sum of elements `first` and following.
template <class T>
std::int64_t wrong(const ConstView& view, std::int64_t first, int ranks) {
  std::int64_t count = 0;
  std::vector<T> numbers(static_cast<std::size_t>(ranks));
  for (std::int64_t i = 0; i < view.size(); ++i) {
    for (int rank = 0; rank < ranks; ++rank) {
      numbers[static_cast<std::size_t>(rank)] = number<T>(first + i, rank);
    }
    count += view.as<T>()[i] != tree_sum(numbers) ? 1 : 0;
  }
  return count;
}

template <class T>
void sums(Communicator& world) {
  ASSERT_TRUE(world.sums_in_tree(core::kCpu));
  for (const std::int64_t count : kTreeSizes) {
    const core::Tensor lent = world.reducible(core::dtype_of<T>(), count, core::kCpu);
    std::vector<T> plain(static_cast<std::size_t>(count));
    for (const View& view : {lent.view(), view_of(plain)}) {
      fill<T>(view, world.rank());
      wait(world.start(Reduce::sum, view, Event()));
      EXPECT_EQ(wrong<T>(view, 0, world.size()), 0) << count;
    }
  }
}

/// Into memory of its own, and into its part of the whole.
template <class T>
void scatters(Communicator& world) {
  for (const std::int64_t count : kPartSizes) {
    const std::int64_t all = count * world.size();
    const core::Tensor lent = world.reducible(core::dtype_of<T>(), all, core::kCpu);
    std::vector<T> plain(static_cast<std::size_t>(all)), own(static_cast<std::size_t>(count));
    for (const View& whole : {lent.view(), view_of(plain)}) {
      for (const View& part : {view_of(own), whole.slice(count * world.rank(), count)}) {
        fill<T>(whole, world.rank());
        wait(world.reduce_scatter(whole, part, Event()));
        EXPECT_EQ(wrong<T>(part, count * world.rank(), world.size()), 0) << count;
      }
    }
  }
}

/// Again and again, so that ranks which are early would write into what others still read.
void gathers_into_lent_memory(Communicator& world) {
  for (const std::int64_t count : kPartSizes) {
    const core::Tensor whole =
        world.reducible(core::DType::f32, count * world.size() + 3, core::kCpu);
    const View all = whole.view().slice(3, count * world.size());
    const View place = all.slice(count * world.rank(), count);
    std::vector<float> own(static_cast<std::size_t>(count));
    for (int round = 0; round < 4; ++round) {
      const View part = round % 2 == 0 ? place : view_of(own);
      for (std::int64_t i = 0; i < all.size(); ++i) all.as<float>()[i] = -1.0F;
      std::fill_n(part.as<float>(), count, static_cast<float>(world.rank() + round));
      wait(world.all_gather(part, all, Event()));
      for (int rank = 0; rank < world.size(); ++rank) {
        const float* const values = all.as<float>() + count * rank;
        EXPECT_EQ(std::count(values, values + count, static_cast<float>(rank + round)), count);
      }
    }
    EXPECT_EQ(whole.as<float>()[2], 0.0F);
  }
}

/// 256 + 1 needs nine bits, which bf16 has not: what is lost depends on the tree, but all ranks
/// lose the same.
void agrees_on_bf16(Communicator& world) {
  std::vector<core::BFloat16> values(70001);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = core::to_bf16(number<float>(static_cast<std::int64_t>(i), world.rank()));
  }
  wait(world.start(Reduce::sum, view_of(values), Event()));
  const std::string mine(reinterpret_cast<const char*>(values.data()), 2 * values.size());
  for (const std::string& theirs : world.gather_text(mine)) EXPECT_TRUE(theirs == mine);
}

}  // namespace

std::vector<CollectiveCheck> tree_checks() {
  return {{"tree_f32", sums<float>},
          {"tree_f64", sums<double>},
          {"tree_scatter_f32", scatters<float>},
          {"tree_scatter_f64", scatters<double>},
          {"gather_lent", gathers_into_lent_memory},
          {"tree_bf16_agrees", agrees_on_bf16}};
}

}  // namespace epi::dist
