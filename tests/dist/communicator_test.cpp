// The twins that need no mpirun: one process, and 1 to 4 threads.
#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "dist/collective_checks.hpp"

namespace epi::dist {
namespace {

class Solo : public testing::TestWithParam<CollectiveCheck> {};

TEST_P(Solo, AnyCollective_oneProcess_holds) {
  GetParam().run(*make_solo());
}

std::string name_of(const testing::TestParamInfo<CollectiveCheck>& at) {
  return at.param.name;
}

INSTANTIATE_TEST_SUITE_P(All, Solo, testing::ValuesIn(collective_checks()), name_of);

class Threads : public testing::TestWithParam<std::tuple<int, CollectiveCheck>> {};

TEST_P(Threads, AnyCollective_anyNumberOfRanks_holds) {
  run_threads(std::get<0>(GetParam()), std::get<1>(GetParam()).run);
}

INSTANTIATE_TEST_SUITE_P(All, Threads,
                         testing::Combine(testing::Values(1, 2, 3, 4),
                                          testing::ValuesIn(collective_checks())),
                         [](const auto& at) {
                           return std::string(std::get<1>(at.param).name) + "_np" +
                                  std::to_string(std::get<0>(at.param));
                         });

}  // namespace
}  // namespace epi::dist
