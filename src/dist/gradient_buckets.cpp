// The buckets are planned once; a step walks through them with the falling offset of backward.
//
// Two streams of our own surround the communicator's: `before_` waits for backward and converts,
// `after_` follows the sums. So neither marks nor conversions hold backward up, and bucket b+1 is
// converted while b is on its way.
#include "dist/gradient_buckets.hpp"

#include <algorithm>
#include <utility>

#include "core/error.hpp"

namespace epi::dist {
namespace {

/// The last bucket has nothing to hide behind: the smaller, the shorter the wait.
constexpr std::int64_t kFrontShare = 8;

/// Cuts [0, count) from its end into multiples of `unit`; falling, ends with 0.
std::vector<std::int64_t> plan(std::int64_t count, std::int64_t bucket, std::int64_t unit) {
  const auto whole = [&](std::int64_t elements) { return std::max(unit, elements / unit * unit); };
  const std::int64_t front = std::min(count, whole(bucket / kFrontShare));
  std::vector<std::int64_t> begins;
  for (std::int64_t end = count; end > front; end = begins.back()) {
    begins.push_back(std::max(front, end - whole(bucket)));
  }
  if (count > 0) begins.push_back(0);
  return begins;
}

}  // namespace

double ExchangeStatistics::overlap() const {
  return exchange_s > 0.0 ? std::clamp(1.0 - exposed_s / exchange_s, 0.0, 1.0) : 0.0;
}

GradientBuckets::GradientBuckets(Communicator& world, const View& gradients,
                                 std::size_t bucket_bytes, BeforeStart before_start, Wire wire)
    : world_(world),
      gradients_(gradients.slice(0, gradients.size())),
      before_start_(std::move(before_start)),
      wire_(std::move(wire)),
      before_(gradients.device()),
      after_(gradients.device()),
      backward_end_(gradients.device()),
      all_end_(gradients.device()) {
  core::require(gradients.dtype() == core::DType::f32, "gradients are f32");
  const View& travels = wire_.memory.view();
  core::require(!travels || (travels.size() == gradients.size() && wire_.convert),
                "gradients that travel in another type have memory for it and a conversion");
  core::require(wire_.unit >= 1 && gradients.size() % wire_.unit == 0,
                "a block of gradients is a whole number of units");
  if (!wire_.sum) {
    wire_.sum = [this](const View& bucket, const Event& after) {
      return world_.start(Reduce::sum, bucket, after);
    };
  }
  cut(bucket_bytes);
}

void GradientBuckets::cut(std::size_t bucket_bytes) {
  core::require(started_ == 0, "buckets are cut between steps");
  core::require(bucket_bytes >= sizeof(float), "a bucket holds at least one gradient");
  begins_ =
      plan(gradients_.size(), static_cast<std::int64_t>(bucket_bytes / sizeof(float)), wire_.unit);
  joined_ = false;
  marks_.clear();
  if (world_.size() == 1) return;
  const core::Device device = gradients_.device();
  for (std::size_t bucket = 0; bucket < size(); ++bucket) {
    marks_.push_back({core::Mark(device), core::Mark(device), core::Mark(device)});
  }
}

std::size_t GradientBuckets::complete(std::int64_t offset) const {
  core::require(offset >= 0, "the offset lies in the block");
  const auto first_open = std::find_if(begins_.begin(), begins_.end(),
                                       [&](std::int64_t begin) { return begin < offset; });
  return static_cast<std::size_t>(first_open - begins_.begin());
}

std::vector<Stretch> GradientBuckets::stretches() const {
  std::vector<Stretch> stretches;
  for (std::size_t bucket = size(); bucket-- > 0;) {
    const std::int64_t end = bucket == 0 ? gradients_.size() : begins_[bucket - 1];
    stretches.push_back({begins_[bucket], end - begins_[bucket]});
  }
  return stretches;
}

View GradientBuckets::slice(const View& block, std::size_t bucket) const {
  const std::int64_t end = bucket == 0 ? block.size() : begins_[bucket - 1];
  return block.slice(begins_.at(bucket), end - begins_[bucket]);
}

void GradientBuckets::merge(std::size_t bucket) {
  if (before_start_) before_start_(begins_.at(bucket), slice(gradients_, bucket).size());
}

void GradientBuckets::done_from(std::int64_t offset, const Stream& stream) {
  for (const std::size_t end = complete(offset); started_ < end;) {
    const std::size_t bucket = started_;
    merge(bucket);
    start(bucket, Event::record(stream));
    if (world_.size() == 1 || world_.capturable()) continue;
    // The host was inside the start, so nothing of backward was queued behind it.
    marks_[bucket].resume.set(stream);
    marks_[bucket].waited = true;
  }
}

void GradientBuckets::start(std::size_t bucket, const Event& ready) {
  core::require(bucket == started_ && bucket < size(), "buckets are started in their order");
  ++started_;
  // A world of one only merges its micro-batches.
  if (world_.size() == 1) return;
  Marks& marks = marks_[bucket];
  const View gradients = slice(gradients_, bucket);
  const bool converts = bool(wire_.memory.view());
  const View travels = converts ? slice(wire_.memory, bucket) : gradients;
  before_.wait(ready);
  if (converts) wire_.convert(gradients, travels, before_);
  marks.waited = false;
  marks.begin.set(before_);
  core::Mark begin(gradients.device()), end(gradients.device());
  if (watcher_) begin.set(before_);
  wire_.sum(travels, Event::record(before_)).wait(after_);
  marks.end.set(after_);
  if (watcher_) {
    end.set(after_);
    watcher_(bucket, static_cast<std::int64_t>(travels.bytes()), std::move(begin), std::move(end));
  }
  if (converts) wire_.convert(travels, gradients, after_);
}

void GradientBuckets::join(Stream& stream) {
  core::require(started_ == size(), "backward has finished all gradients");
  started_ = 0;
  if (world_.size() == 1 || size() == 0) return;
  backward_end_.set(stream);
  all_end_.set(after_);
  stream.wait(Event::record(after_));
  joined_ = true;
}

ExchangeStatistics GradientBuckets::statistics() const {
  ExchangeStatistics sums;
  if (!joined_) return sums;
  all_end_.synchronize();
  backward_end_.synchronize();
  const View& travels = wire_.memory.view() ? wire_.memory.view() : gradients_;
  sums.buckets = static_cast<std::int64_t>(size());
  sums.bytes = static_cast<std::int64_t>(travels.bytes());
  const core::Mark& origin = marks_.front().begin;
  double last_end = 0.0;
  for (const Marks& marks : marks_) {
    // A bucket that is ready early waits for the one before it: that is no exchange of its own.
    const double begin = std::max(last_end, marks.begin.seconds_since(origin));
    last_end = marks.end.seconds_since(origin);
    sums.exchange_s += std::max(0.0, last_end - begin);
    if (marks.waited) sums.exposed_s += marks.resume.seconds_since(marks.begin);
  }
  sums.exposed_s += std::max(0.0, all_end_.seconds_since(backward_end_));
  // The calls around a sum, and what follows it, are not on the way.
  sums.exposed_s = std::min(sums.exposed_s, sums.exchange_s);
  return sums;
}

ExchangeStatistics GradientBuckets::finish(Stream& stream) {
  join(stream);
  return statistics();
}

}  // namespace epi::dist
