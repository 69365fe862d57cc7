// A small MPI program for launch_test: does the one thing its argument names, the way `launch`
// would, and shows the outcome as text and exit code.
#include <cstdio>
#include <string_view>

#include "core/error.hpp"
#include "dist/mpi.hpp"

namespace {

int run(epi::dist::MpiRuntime& runtime, std::string_view job) {
  const std::unique_ptr<epi::dist::Communicator> world = runtime.world();
  if (job == "size") std::printf("size %d\n", world->size());
  if (job == "abort" && world->rank() == 1) world->abort(75);
  if (job == "throw" && world->rank() == 1) throw epi::core::InputError("only rank 1 failed");
  if (job == "agree") {
    epi::dist::agree(*world, [&] {
      if (world->rank() == 1) throw epi::core::InputError("rank 1 failed");
    });
  }
  world->barrier();
  return 0;
}

int start(int argc, char** argv) {
  epi::dist::MpiRuntime runtime(argc, argv);
  return run(runtime, argc > 1 ? argv[1] : "size");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return start(argc, argv);
  } catch (const epi::core::UsageError& error) {
    std::printf("usage: %s\n", error.what());
    return 64;
  } catch (const epi::core::Error& error) {
    std::printf("error: %s\n", error.what());
    return 65;
  }
}
