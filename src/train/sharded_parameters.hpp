// Parameters of which each rank updates its shard alone (ZeRO-1): between a step's update and the
// next forward pass the other shards of a rank's block are a step behind. The next step gathers
// them as forward announces its reads; who else reads parameters settles first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "dist/parameter_gather.hpp"
#include "train/recorded_step.hpp"
#include "train/run_config.hpp"
#include "train/step_setup.hpp"
#include "train/weights.hpp"

namespace epi::train {

/// Whether the ranks of such a run share the optimizer's state.
[[nodiscard]] inline bool shards(const TrainConfig& train, int ranks) {
  return train.shard_optimizer && ranks > 1;
}

/// Elements of a shard's parts, and with all ranks' of buckets, are multiples of this: 1 where
/// nothing is sharded. Parts are then as well aligned as tensors are.
[[nodiscard]] std::int64_t bucket_unit(const TrainConfig& train, int ranks);

/// Elements of the flat blocks of a run: those of the table, rounded up to whole units.
[[nodiscard]] std::int64_t block_room(std::int64_t elements, const TrainConfig& train, int ranks);

class ShardedParameters {
 public:
  /// `buckets` as GradientBuckets::stretches. What `setup` names and `weights` must outlive it.
  ShardedParameters(const StepSetup& setup, const Weights& weights,
                    const std::vector<dist::Stretch>& buckets);

  /// What this rank updates.
  [[nodiscard]] std::vector<dist::Stretch> mine() const;

  /// The begin of a step: starts the gathering. Where it can't be recorded, `recording` is cut.
  void begin(RecordedStep& recording);
  /// For BlockHooks of the step's first forward pass: its stream waits for what it reads next.
  void before_read(std::int64_t offset);
  /// After that pass: its stream waits for the rest, which nobody may have read.
  void forward_ended();
  /// A step was queued: this rank's copies of the other shards are behind from its update on.
  void outdate() { settled_ = false; }

  /// Brings all parameters up to date, in the order of the stream. Collective, between steps.
  void settle();
  [[nodiscard]] bool settled() const { return settled_; }

  /// block, f32 of the room of a block = the ranks' `parts` of each bucket, in the order of the
  /// stream. Collective.
  void gather(const std::function<core::View(std::size_t bucket)>& parts,
              const core::View& block) const;

 private:
  StepSetup setup_;
  const Weights& weights_;
  dist::ParameterGather gather_;
  std::vector<std::int64_t> reads_;  // offsets that forward announces, known after the first pass
  bool reads_known_ = false;
  bool settled_ = true;
};

}  // namespace epi::train
