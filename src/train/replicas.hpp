// Every rank updates its own copy of the weights, and nothing but the sameness of their arithmetic
// keeps the copies equal. A processor or a memory that errs once would go unnoticed and spoil what
// is trained from then on, so the copies are compared now and then.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/device.hpp"
#include "core/view.hpp"
#include "dist/communicator.hpp"

namespace epi::train {

/// XXH3-128 of the view's bytes, wherever it lies; waits for `stream`.
[[nodiscard]] std::string digest_of_block(const core::ConstView& block, core::Stream& stream);

/// The ranks whose text is not that of most ranks; of texts that are equally frequent, that of the
/// lowest rank counts.
[[nodiscard]] std::vector<int> odd_ones(std::span<const std::string> texts);

/// Which ranks' blocks are not, bit for bit, that of most ranks: "rank 3", "ranks 1 and 2"; ""
/// when all are equal. Collective; the same on all ranks.
[[nodiscard]] std::string unlike_replicas(const core::ConstView& block, core::Stream& stream,
                                          dist::Communicator& world);

}  // namespace epi::train
