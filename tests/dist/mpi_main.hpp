// The main of test programs that run under mpirun.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>

#include "dist/mpi.hpp"

namespace epi::dist {

/// Runs all tests on every rank, with `runtime` set meanwhile. A failure on one rank is one of the
/// program's: every rank returns 1.
inline int run_tests_on_all_ranks(int argc, char** argv, MpiRuntime*& runtime) {
  testing::InitGoogleTest(&argc, argv);
  MpiRuntime mpi(argc, argv);
  runtime = &mpi;
  std::int64_t failed = RUN_ALL_TESTS();
  const std::unique_ptr<Communicator> world = mpi.world();
  Stream stream(core::kCpu);
  world->start(Reduce::max, View(&failed, {1}), {}).wait(stream);
  return failed == 0 ? 0 : 1;
}

}  // namespace epi::dist
