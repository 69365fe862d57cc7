// A small MPI program for launch_test: does the one thing its argument names, the way `launch`
// would, and shows the outcome as text and exit code.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "dist/mpi.hpp"
#include "dist/watchdog.hpp"

namespace {

/// All ranks meet again and again; rank 1 stops doing so, in one way or another.
void meet_until(epi::dist::Communicator& world, std::string_view job) {
  // A rank that is killed is the launcher's to notice, long before the watchdog does.
  const double limit_s = job == "hang" || job == "stopped" ? 1.0 : 30.0;
  const auto end = [&](const epi::dist::Hang& hang) {
    std::printf("%s\n", message(hang, world.rank()).c_str());
    std::fflush(stdout);
    world.abort(79);
    std::_Exit(79);
  };
  epi::dist::Watchdog dog(limit_s, end, {}, [&] { return world.waiting(); });
  std::vector<double> values(125000);  // 1 MB
  for (int step = 0;; ++step) {
    dog.expect("step " + std::to_string(step));
    if (step == 20 && world.rank() == 1) {
      if (job == "hang") pause();
      if (job == "stopped") (void)std::raise(SIGSTOP);
      if (job == "killed") (void)std::raise(SIGKILL);
    }
    if (job != "stopped") {
      world.barrier();
      continue;
    }
    epi::dist::Stream stream(epi::core::kCpu);
    world.start(epi::dist::Reduce::sum, epi::core::View(values.data(), {125000}), {}).wait(stream);
  }
}

int run(epi::dist::MpiRuntime& runtime, std::string_view job) {
  const std::unique_ptr<epi::dist::Communicator> world = runtime.world();
  if (job == "hang" || job == "stopped" || job == "killed") meet_until(*world, job);
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
