// What a test may tell the stand-in for NCCL.
#pragma once

namespace epi::dist {

/// From now on collectives don't end and the communicators say that a peer has gone; or all is well
/// again.
void lose_peers(bool lost);
/// Communicators that were made and neither destroyed nor aborted.
[[nodiscard]] int open_communicators();
/// How many have been aborted.
[[nodiscard]] int aborted_communicators();

}  // namespace epi::dist
