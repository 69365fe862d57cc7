// Times of the device become the host's by one moment that is known on both.
#include "train/trace.hpp"

#include <algorithm>
#include <array>

namespace epi::train {
namespace {

double seconds_of(Trace::Clock::time_point time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

/// What is known of a call without running it.
std::vector<SpanNumber> numbers_of(const kernels::OpCost& cost) {
  std::vector<SpanNumber> numbers;
  if (cost.flops > 0.0) numbers.push_back({"gflop", cost.flops * 1e-9});
  numbers.push_back({"MB", cost.bytes() * 1e-6});
  constexpr std::array<const char*, 3> kAxes = {"size 0", "size 1", "size 2"};
  for (std::size_t axis = 0; axis < kAxes.size(); ++axis) {
    if (cost.sizes[axis] == 0) break;
    numbers.push_back({kAxes[axis], static_cast<double>(cost.sizes[axis])});
  }
  return numbers;
}

}  // namespace

Trace::Trace(core::Stream& stream) : origin_(stream.device()) {
  stream.synchronize();
  origin_.set(stream);
  origin_.synchronize();
  origin_s_ = seconds_of(Clock::now());
}

void Trace::add(Track track, std::string name, Clock::time_point begin, Clock::time_point end) {
  known_.push_back(
      {track, std::move(name), seconds_of(begin), seconds_of(end) - seconds_of(begin), {}});
}

void Trace::add(Track track, std::string name, core::Mark begin, core::Mark end,
                std::vector<SpanNumber> numbers) {
  queued_.push_back({track, std::move(name), std::move(begin), std::move(end), std::move(numbers)});
}

void Trace::add(std::vector<kernels::Profile::Call> calls) {
  for (kernels::Profile::Call& call : calls) {
    add(Track::steps, call.cost.op, std::move(call.begin), std::move(call.end),
        numbers_of(call.cost));
  }
}

std::vector<Span> Trace::spans() const {
  std::vector<Span> all = known_;
  for (const Queued& span : queued_) {
    span.end.synchronize();
    const double begin_s = origin_s_ + span.begin.seconds_since(origin_);
    all.push_back(
        {span.track, span.name, begin_s, span.end.seconds_since(span.begin), span.numbers});
  }
  std::ranges::stable_sort(all, [](const Span& a, const Span& b) {
    return a.begin_s != b.begin_s ? a.begin_s < b.begin_s : a.seconds > b.seconds;
  });
  return all;
}

}  // namespace epi::train
