// Rank 0 has its rounds with one rank after the other; the others wait in their first exchange.
#include "dist/clock_offset.hpp"

#include <algorithm>
#include <limits>
#include <vector>

namespace epi::dist {
namespace {

/// The first ones set up a connection; some of the rest are not disturbed.
constexpr std::int64_t kRounds = 16;

void swap(Communicator& world, int partner, const std::vector<double>& mine,
          std::vector<double>& theirs) {
  const auto count = static_cast<std::int64_t>(mine.size());
  Stream none(core::kCpu);
  world.exchange(partner, ConstView(mine.data(), {count}), View(theirs.data(), {count}), Event())
      .wait(none);
}

/// The times at which each round began and ended here, then there: begins at 2k, ends at 2k + 1.
struct Rounds {
  std::vector<double> here, there;
};

Rounds rounds_with(Communicator& world, int partner, const std::function<double()>& clock) {
  Rounds rounds;
  std::vector<double> ball(1), caught(1);
  for (std::int64_t k = 0; k < kRounds; ++k) {
    rounds.here.push_back(clock());
    swap(world, partner, ball, caught);
    rounds.here.push_back(clock());
  }
  rounds.there.resize(rounds.here.size());
  swap(world, partner, rounds.here, rounds.there);
  return rounds;
}

/// Of the clock here, less that there.
ClockOffset offset_of(const Rounds& rounds) {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  for (std::size_t begin = 0; begin < rounds.here.size(); begin += 2) {
    low = std::max(low, rounds.here[begin] - rounds.there[begin + 1]);
    high = std::min(high, rounds.here[begin + 1] - rounds.there[begin]);
  }
  // Clocks that drift while they are compared may leave no common stretch.
  return {(low + high) / 2.0, std::max(0.0, high - low) / 2.0};
}

}  // namespace

ClockOffset clock_offset(Communicator& world, const std::function<double()>& clock) {
  if (world.rank() != 0) return offset_of(rounds_with(world, 0, clock));
  for (int other = 1; other < world.size(); ++other) (void)rounds_with(world, other, clock);
  return {};
}

}  // namespace epi::dist
