// How far the clocks of ranks are apart, so that what they note of the same run can be drawn on one
// line. Clocks of one host agree; those of two count from when each was started.
#pragma once

#include <functional>

#include "dist/communicator.hpp"

namespace epi::dist {

/// The time of this rank's clock, less that of rank 0's at the same moment.
struct ClockOffset {
  double seconds = 0.0;
  double error_s = 0.0;  ///< the truth is no further away than this
};

/// Collective. `clock` reads this rank's clock in seconds, and never runs backwards.
///
/// Each rank exchanges a few numbers with rank 0. Nothing arrives before it was sent: the end of an
/// exchange on one side is not before its begin on the other, so each gives an upper and a lower
/// bound, and the offset lies where all of them meet (the bounds of Marzullo & Owicki, "Maintaining
/// the time in a distributed system", PODC 1983). Rank 0 has {0, 0}. CommError or PeerError.
[[nodiscard]] ClockOffset clock_offset(Communicator& world, const std::function<double()>& clock);

}  // namespace epi::dist
