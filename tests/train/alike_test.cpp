// What ranks that differ are told, by hand; and that all of them end with it, at any number.
#include "train/alike.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "core/error.hpp"

namespace epi::train {
namespace {

using Texts = std::vector<std::string>;

TEST(UnlikeValues_sameOnAllRanks, isNothing) {
  EXPECT_EQ(unlike_values(Texts{"a"}, {}), "");
  EXPECT_EQ(unlike_values(Texts{"a", "a", "a"}, {}), "");
}

TEST(UnlikeValues_twoGroups, areNamedWithRanksAndHosts) {
  EXPECT_EQ(unlike_values(Texts{"a", "b"}, {}), "a on rank 0, b on rank 1");
  EXPECT_EQ(unlike_values(Texts{"a", "b", "a", "a", "b"}, Texts{"n1", "n2", "n3", "n3", "n2"}),
            "a on ranks 0 and 2-3 (n1, n3), b on ranks 1 and 4 (n2)");
  EXPECT_EQ(unlike_values(Texts{"b", "a", "b", "a", "b"}, {}),
            "b on ranks 0, 2 and 4, a on ranks 1 and 3");
}

TEST(UnlikeValues_manyHosts, areCounted) {
  EXPECT_EQ(
      unlike_values(Texts{"a", "b", "b", "b", "b", "b"}, Texts{"n0", "n1", "n2", "n3", "n4", "n5"}),
      "a on rank 0 (n0), b on ranks 1-5 (n1, n2, n3 and 2 more)");
}

TEST(UnlikeKeys_differentValues, areNamedBySectionAndKey) {
  const std::string one = "[model]\nlayers = 2\n\n[train]\nseed = 1\nsteps = 5\n";
  const std::string two = "[model]\nlayers = 2\n\n[train]\nseed = 2\n";
  EXPECT_EQ(unlike_keys(Texts{one, one}, {}), "");
  EXPECT_EQ(unlike_keys(Texts{one, two}, {}),
            "train.seed = 1 on rank 0, 2 on rank 1; train.steps = 5 on rank 0, absent on rank 1");
}

TEST(UnlikeKeys_manyKeys, areCounted) {
  const std::string one = "[a]\np = 1\nq = 1\nr = 1\ns = 1\nt = 1\n";
  const std::string two = "[a]\np = 2\nq = 2\nr = 2\ns = 2\nt = 2\n";
  const std::string text = unlike_keys(Texts{one, two}, {});
  EXPECT_TRUE(text.ends_with("a.r = 1 on rank 0, 2 on rank 1; and 2 more")) << text;
}

TEST(UnlikeKeys_placeOfTheStoreAndThreads, mayDiffer) {
  EXPECT_EQ(unlike_keys(Texts{"[data]\nstore = \"/a\"\n\n[train]\nthreads = 1\n",
                              "[data]\nstore = \"/b\"\n\n[train]\nthreads = 7\n"},
                        {}),
            "");
}

/// How many of `ranks` threads end with this error, the last rank being unlike the others.
template <class Error>
int refusals(int ranks, const std::function<void(dist::Communicator&, bool odd)>& check) {
  std::atomic<int> refused = 0;
  dist::run_threads(ranks, [&](dist::Communicator& world) {
    try {
      check(world, world.rank() == ranks - 1);
    } catch (const Error&) {
      ++refused;
    }
  });
  return refused;
}

TEST(CheckAlike_oneOddRank, endsAllRanksWithTheSameKindOfError) {
  for (const int ranks : {2, 3, 5}) {
    EXPECT_EQ(refusals<core::ConfigError>(
                  ranks,
                  [](dist::Communicator& world, bool odd) {
                    check_configuration(odd ? "[train]\nseed = 2\n" : "[train]\nseed = 1\n", world);
                  }),
              ranks);
    EXPECT_EQ(refusals<core::InputError>(ranks,
                                         [](dist::Communicator& world, bool odd) {
                                           check_store(odd ? "f1" : "f2", "store", world);
                                         }),
              ranks);
  }
}

TEST(CheckAlike_ranksThatAgree, passes) {
  dist::run_threads(4, [](dist::Communicator& world) {
    check_program(world);
    check_configuration("[train]\nseed = 1\nthreads = " + std::to_string(world.rank()) + "\n",
                        world);
    check_store("f", "store", world);
  });
  const auto alone = dist::make_solo();
  check_program(*alone);
}

}  // namespace
}  // namespace epi::train
