// The smallest program that needs the whole stair: `train` pulls in every library below it.
#include <cstdio>

#include "core/version.hpp"
#include "train/trainer.hpp"

int main() {
  // Named for the linker, never called; volatile, or the compiler would see that it isn't used.
  auto* volatile whole_stair = &epi::train::pretrain;
  std::printf("%s\n", whole_stair != nullptr ? epi::core::version_text() : "");
}
