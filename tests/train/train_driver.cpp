// A run of the tiny configuration as a process of its own, for tests that kill it:
// train_driver STORE RUN STEPS CHECKPOINT_EVERY.
#include <cstdlib>
#include <exception>

#include "train/tiny_run.hpp"

int main(int argc, char** argv) {
  if (argc != 5) return 64;
  try {
    epi::train::RunConfig config = epi::train::tiny_config(argv[1]);
    config.train.steps = std::atoi(argv[3]);
    config.checkpoint_every = std::atoi(argv[4]);
    epi::train::run_solo(config, argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
