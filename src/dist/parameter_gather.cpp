#include "dist/parameter_gather.hpp"

#include <utility>

#include "core/error.hpp"

namespace epi::dist {

std::vector<Stretch> shard_of(const std::vector<Stretch>& buckets, int rank, int ranks) {
  std::vector<Stretch> shard;
  for (const Stretch& bucket : buckets) {
    core::require(bucket.count % ranks == 0, "a sharded bucket has one part for each rank");
    shard.push_back(bucket.part(rank, ranks));
  }
  return shard;
}

ParameterGather::ParameterGather(Communicator& world, const View& block,
                                 std::vector<Stretch> buckets, Arrived arrived)
    : world_(world),
      block_(block.slice(0, block.size())),
      buckets_(std::move(buckets)),
      arrived_(std::move(arrived)),
      stream_(block.device(), core::Priority::high),
      ready_(buckets_.size()),
      waited_(buckets_.size()) {
  std::int64_t end = 0;
  for (const Stretch& bucket : buckets_) {
    core::require(bucket.first == end, "buckets ascend without gaps");
    end = bucket.end();
  }
  core::require(end == block_.size(), "buckets are the whole block");
}

void ParameterGather::start(const Event& ready) {
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    const Stretch bucket = buckets_[b];
    const View mine = bucket.part(world_.rank(), world_.size()).of(block_);
    world_.all_gather(mine, bucket.of(block_), ready).wait(stream_);
    if (arrived_) arrived_(bucket, stream_);
    ready_[b] = Event::record(stream_);
  }
  waited_ = 0;
}

void ParameterGather::wait_before(std::int64_t end, Stream& stream) {
  for (; waited_ < buckets_.size() && buckets_[waited_].first < end; ++waited_) {
    stream.wait(ready_[waited_]);
  }
}

}  // namespace epi::dist
