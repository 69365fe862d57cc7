// The promise of train.reproducible over the processes of a run: checkpoints carry it on.
#include "train/reproducibility.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "train/rank_share.hpp"

namespace epi::train {

const char* name_of(BitsSoFar bits) {
  switch (bits) {
    case BitsSoFar::of_these_ranks:
      return "no";
    case BitsSoFar::of_any_ranks:
      return "so far";
    case BitsSoFar::promised:
      return "yes";
    default:
      return "";
  }
}

BitsSoFar bits_named(std::string_view name) {
  for (const auto bits :
       {BitsSoFar::of_these_ranks, BitsSoFar::of_any_ranks, BitsSoFar::promised}) {
    if (name == name_of(bits)) return bits;
  }
  return BitsSoFar::unknown;
}

// What train.reproducible refuses is what changes bits; a GPU also takes other algorithms with it.
bool sums_as_any_ranks(const RunConfig& config, int ranks, core::Device device) {
  if (config.train.reproducible) return true;
  if (device != core::kCpu) return false;
  RunConfig asked = config;
  asked.train.reproducible = true;
  try {
    (void)shared_over(asked, ranks);
  } catch (const core::ConfigError&) {
    return false;
  }
  return true;
}

// A promise that was made once stands for as long as the bits are right.
BitsSoFar bits_after(BitsSoFar before, Continuation now) {
  if (!now.same || before == BitsSoFar::of_these_ranks) return BitsSoFar::of_these_ranks;
  if (before == BitsSoFar::unknown) return before;
  return now.asked ? BitsSoFar::promised : before;
}

std::string reproducibility_warning(BitsSoFar before, Continuation now, int ranks_before,
                                    int ranks) {
  if (before == BitsSoFar::promised && !now.same) {
    return fmt::format(
        "this run was reproducible and goes on without train.reproducible: from here on its bits "
        "are those of {} rank{}, not those of any number; to keep them, end it before its next "
        "checkpoint and give --reproducible again",
        ranks, ranks == 1 ? "" : "s");
  }
  if (before == BitsSoFar::of_these_ranks && now.asked) {
    return fmt::format(
        "this run was not reproducible before: its bits so far are those of the ranks that it had "
        "(last {}), and only what it does from here on is the same on any number of them",
        ranks_before);
  }
  return "";
}

}  // namespace epi::train
