// Everything is queued in one stream of our own: an exchange begins after what was combined, and
// the next combination after the exchange. So one buffer for what partners send is enough.
#include "dist/tree_sum.hpp"

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "core/error.hpp"

namespace epi::dist {
namespace {

/// Up to here a message costs what its start costs, so the fewest messages win.
constexpr std::size_t kWholeBytes = 4096;

/// Elements of a view.
struct Range {
  std::int64_t begin = 0, end = 0;
  [[nodiscard]] std::int64_t size() const { return end - begin; }
};

View slice(const View& view, Range range) {
  return view.slice(range.begin, range.size());
}

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
  const View mine = slice(view, {0, view.size()});
  for (int distance = 1; distance < world_.size(); distance *= 2) {
    const View theirs = received(view.dtype(), view.size());
    exchange(world_.rank() ^ distance, mine, theirs);
    combine_(mine, theirs, mine, stream_);
  }
}

// After the step of distance d a rank holds the sum over its 2d neighbours of a 2d-th of the view;
// on the way back it gives to each partner what that one gave away.
void TreeSum::sum_halves(const View& view) {
  struct Step {
    int partner = 0;
    Range kept, given;
  };
  std::vector<Step> steps;
  Range mine{0, view.size()};
  for (int distance = 1; distance < world_.size(); distance *= 2) {
    const std::int64_t middle = mine.begin + mine.size() / 2;
    const Range low{mine.begin, middle};
    const Range high{middle, mine.end};
    const bool lower = (world_.rank() & distance) == 0;
    const Step step{world_.rank() ^ distance, lower ? low : high, lower ? high : low};
    const View theirs = received(view.dtype(), step.kept.size());
    exchange(step.partner, slice(view, step.given), theirs);
    combine_(slice(view, step.kept), theirs, slice(view, step.kept), stream_);
    mine = step.kept;
    steps.push_back(step);
  }
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    exchange(step->partner, slice(view, step->kept), slice(view, step->given));
  }
}

View TreeSum::received(core::DType type, std::int64_t count) const {
  return received_.view(type, {count});
}

void TreeSum::exchange(int partner, const ConstView& send, const View& receive) {
  world_.exchange(partner, send, receive, Event::record(stream_)).wait(stream_);
}

}  // namespace epi::dist
