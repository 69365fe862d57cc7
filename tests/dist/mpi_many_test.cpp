// The checks of sums at more ranks than mpi_test runs at: trees with several hosts of several
// ranks, and numbers of ranks with two parts (6 = 4 + 2).
#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "dist/collective_checks.hpp"
#include "dist/mpi_main.hpp"
#include "dist/mpi_ways.hpp"

namespace epi::dist {
namespace {

MpiRuntime* runtime = nullptr;

class MpiMany : public testing::TestWithParam<std::tuple<Way, CollectiveCheck>> {};

TEST_P(MpiMany, Sums_manyRanks_haveTheBitsOfTheTree) {
  const Way& way = std::get<0>(GetParam());
  std::get<1>(GetParam()).run(*runtime->world(way.exchange, way.hosts));
}

INSTANTIATE_TEST_SUITE_P(
    All, MpiMany, testing::Combine(testing::ValuesIn(kWays), testing::ValuesIn(tree_checks())),
    [](const auto& at) {
      return std::string(std::get<1>(at.param).name) + "_" + std::get<0>(at.param).name;
    });

}  // namespace
}  // namespace epi::dist

int main(int argc, char** argv) {
  return epi::dist::run_tests_on_all_ranks(argc, argv, epi::dist::runtime);
}
