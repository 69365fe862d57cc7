// Everything is queued in one stream of our own: an exchange begins after what was combined, and
// the next combination after the exchange. So one buffer for what partners send is enough.
#include "dist/tree_sum.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "core/error.hpp"
#include "dist/rank_tree.hpp"

namespace epi::dist {
namespace {

/// Up to here a message costs what its start costs, so the fewest messages win.
constexpr std::size_t kWholeBytes = 4096;

}  // namespace

std::size_t TreeSum::bytes(std::size_t most_bytes) {
  // The greater half of an odd number of f64, or a small view as a whole.
  return std::max(std::min(most_bytes, kWholeBytes), most_bytes / 2 + sizeof(double));
}

TreeSum::TreeSum(Communicator& world, core::Device device, std::size_t most_bytes, Combine combine)
    : world_(world),
      combine_(std::move(combine)),
      stream_(device, core::Priority::high),
      received_(device, bytes(most_bytes)) {
  core::require(std::has_single_bit(static_cast<unsigned>(world.size())),
                "pairs of ranks add up to all of them on powers of two only");
}

Pending TreeSum::start(const View& view, const Event& after) {
  core::require(view.device() == stream_.device(), "sums lie on the device they were planned for");
  stream_.wait(after);
  if (view.bytes() <= kWholeBytes) {
    sum_whole(view);
  } else {
    sum_halves(view);
  }
  return Pending([done = Event::record(stream_)](Stream& stream) { stream.wait(done); });
}

void TreeSum::sum_whole(const View& view) {
  const View mine = view.slice(0, view.size());
  for (int distance = 1; distance < world_.size(); distance *= 2) {
    const View theirs = received(view.dtype(), view.size());
    exchange(world_.rank() ^ distance, mine, theirs);
    combine_(mine, theirs, mine, stream_);
  }
}

// After a level a rank holds the sum over 2^level neighbours of its range; on the way back it gives
// to each partner what that one gave away.
void TreeSum::sum_halves(const View& view) {
  const int levels = std::countr_zero(static_cast<unsigned>(world_.size()));
  const auto held_by = [&](int rank, int level) {
    return halving_range(view.size(), rank, level).of(view);
  };
  for (int level = 0; level < levels; ++level) {
    const int partner = world_.rank() ^ (1 << level);
    const View kept = held_by(world_.rank(), level + 1);
    const View theirs = received(view.dtype(), kept.size());
    exchange(partner, held_by(partner, level + 1), theirs);
    combine_(kept, theirs, kept, stream_);
  }
  for (int level = levels; level > 0; --level) {
    const int partner = world_.rank() ^ (1 << (level - 1));
    exchange(partner, held_by(world_.rank(), level), held_by(partner, level));
  }
}

View TreeSum::received(core::DType type, std::int64_t count) const {
  return received_.view(type, {count});
}

void TreeSum::exchange(int partner, const ConstView& send, const View& receive) {
  world_.exchange(partner, send, receive, Event::record(stream_)).wait(stream_);
}

}  // namespace epi::dist
