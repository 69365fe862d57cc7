#include "train/sharded_parameters.hpp"

#include <algorithm>

namespace epi::train {
namespace {

// Of tensors in the flat block: 64 bytes.
constexpr std::int64_t kAligned = 16;

}  // namespace

std::int64_t bucket_unit(const TrainConfig& train, int ranks) {
  return shards(train, ranks) ? kAligned * ranks : 1;
}

std::int64_t block_room(std::int64_t elements, const TrainConfig& train, int ranks) {
  const std::int64_t unit = bucket_unit(train, ranks);
  return (elements + unit - 1) / unit * unit;
}

ShardedParameters::ShardedParameters(const StepSetup& setup, const Weights& weights,
                                     const std::vector<dist::Stretch>& buckets)
    : setup_(setup),
      weights_(weights),
      gather_(setup.world, weights.room(), buckets,
              [this](dist::Stretch stretch, core::Stream& stream) {
                weights_.refresh(stretch, stream);
              }) {}

std::vector<dist::Stretch> ShardedParameters::mine() const {
  return dist::shard_of(gather_.buckets(), setup_.world.rank(), setup_.world.size());
}

// A recorded step gathers always: what it finds up to date stays so. Elsewhere the host looks.
void ShardedParameters::begin(RecordedStep& recording) {
  if (setup_.world.capturable()) return gather_.start(core::Event::record(setup_.stream));
  recording.between([this] { settle(); });
}

// The offsets are the same in every pass. What is announced next ends what is read now.
void ShardedParameters::before_read(std::int64_t offset) {
  if (!reads_known_) {
    reads_.push_back(offset);
    return gather_.wait_before(weights_.room().size(), setup_.stream);
  }
  const auto next = std::upper_bound(reads_.begin(), reads_.end(), offset);
  gather_.wait_before(next == reads_.end() ? weights_.room().size() : *next, setup_.stream);
}

void ShardedParameters::forward_ended() {
  reads_known_ = true;
  gather_.wait_before(weights_.room().size(), setup_.stream);
}

void ShardedParameters::settle() {
  if (settled_) return;
  gather_.start(core::Event::record(setup_.stream));
  gather_.wait_before(weights_.room().size(), setup_.stream);
  settled_ = true;
}

void ShardedParameters::gather(const std::function<core::View(std::size_t)>& parts,
                               const core::View& block) const {
  for (std::size_t bucket = 0; bucket < gather_.buckets().size(); ++bucket) {
    setup_.world
        .all_gather(parts(bucket), gather_.buckets()[bucket].of(block),
                    core::Event::record(setup_.stream))
        .wait(setup_.stream);
  }
}

}  // namespace epi::train
