// The buckets are planned once; a step walks through them with the falling offset of backward.
#include "dist/gradient_buckets.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/error.hpp"

namespace epi::dist {
namespace {

/// The last bucket has nothing to hide behind: the smaller, the shorter the wait.
constexpr std::int64_t kFrontShare = 8;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Cuts [0, count) from its end; falling, ends with 0.
std::vector<std::int64_t> plan(std::int64_t count, std::int64_t bucket) {
  const std::int64_t front = std::min(count, std::max<std::int64_t>(1, bucket / kFrontShare));
  std::vector<std::int64_t> begins;
  for (std::int64_t end = count; end > front; end = begins.back()) {
    begins.push_back(std::max(front, end - bucket));
  }
  if (count > 0) begins.push_back(0);
  return begins;
}

}  // namespace

GradientBuckets::GradientBuckets(Communicator& world, const View& gradients,
                                 std::size_t bucket_bytes, BeforeStart before_start)
    : world_(world),
      gradients_(gradients.slice(0, gradients.size())),
      before_start_(std::move(before_start)) {
  core::require(gradients.dtype() == core::DType::f32, "gradients are f32");
  core::require(bucket_bytes >= sizeof(float), "a bucket holds at least one gradient");
  begins_ = plan(gradients.size(), static_cast<std::int64_t>(bucket_bytes / sizeof(float)));
  pending_.reserve(begins_.size());
}

void GradientBuckets::done_from(std::int64_t offset, const Stream& stream) {
  core::require(offset >= 0, "the offset lies in the block");
  while (next_ < begins_.size() && begins_[next_] >= offset) {
    const std::int64_t end = next_ == 0 ? gradients_.size() : begins_[next_ - 1];
    start_bucket(begins_[next_], end, stream);
    ++next_;
  }
}

void GradientBuckets::start_bucket(std::int64_t first, std::int64_t end, const Stream& stream) {
  if (before_start_) before_start_(first, end - first);
  // A world of one still merges its micro-batches above.
  if (world_.size() == 1) return;
  const View bucket = gradients_.slice(first, end - first);
  const auto begin = std::chrono::steady_clock::now();
  pending_.push_back(world_.start(Reduce::sum, bucket, Event::record(stream)));
  statistics_.exposed_s += seconds_since(begin);
  statistics_.bytes += static_cast<std::int64_t>(bucket.bytes());
  ++statistics_.buckets;
}

ExchangeStatistics GradientBuckets::finish(Stream& stream) {
  core::require(next_ == begins_.size(), "backward has finished all gradients");
  const auto begin = std::chrono::steady_clock::now();
  for (Pending& pending : pending_) pending.wait(stream);
  statistics_.exposed_s += seconds_since(begin);
  pending_.clear();
  next_ = 0;
  return std::exchange(statistics_, {});
}

}  // namespace epi::dist
