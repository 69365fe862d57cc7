// Whether the bits of a run are those of any number of ranks, over all the processes that it has
// had: what its checkpoints keep, so that a promise is not lost without a word.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/device.hpp"
#include "train/run_config.hpp"

namespace epi::train {

enum class BitsSoFar : std::uint8_t {
  unknown,         ///< of an early checkpoint that does not say
  of_these_ranks,  ///< some steps had sums whose order depends on the ranks
  of_any_ranks,    ///< nobody asked for it, and yet they are
  promised,        ///< asked for by train.reproducible, and kept
};

/// As manifests have it: "no", "so far", "yes"; "" for unknown.
[[nodiscard]] const char* name_of(BitsSoFar bits);
/// Unknown for any other text: of a newer program.
[[nodiscard]] BitsSoFar bits_named(std::string_view name);

/// Whether so many ranks sum in the order of any number of them: with train.reproducible always, on
/// the CPU also without it, where it would be allowed. `config` as the file says.
[[nodiscard]] bool sums_as_any_ranks(const RunConfig& config, int ranks, core::Device device);

/// Of a run whose earlier steps are `before`, once it goes on (a new run: of_any_ranks); `same`:
/// sums_as_any_ranks, `asked`: train.reproducible.
struct Continuation {
  bool same = false, asked = false;
};
[[nodiscard]] BitsSoFar bits_after(BitsSoFar before, Continuation now);

/// What a user should know of going on so; "" when nothing is lost. `ranks_before`: those of the
/// checkpoint.
[[nodiscard]] std::string reproducibility_warning(BitsSoFar before, Continuation now,
                                                  int ranks_before, int ranks);

}  // namespace epi::train
