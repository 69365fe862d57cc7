// What a step queues on its stream: loss scales, forward and backward of this rank's micro-batches,
// the sum of gradients over the ranks, the update, the next step's batch and the message. All that
// changes from step to step comes through the StepBlock, so the same work can be recorded and
// replayed; on a device none of it waits for the host. step_work.cpp queues a step, step_shares.cpp
// has what the ranks share of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "dist/gradient_buckets.hpp"
#include "dist/tree_sum.hpp"
#include "model/masked_model.hpp"
#include "train/checkpoint.hpp"
#include "train/gradient_tree.hpp"
#include "train/optimizer_state.hpp"
#include "train/recorded_step.hpp"
#include "train/sharded_parameters.hpp"
#include "train/step_block.hpp"
#include "train/step_setup.hpp"
#include "train/timings.hpp"
#include "train/totals_tree.hpp"
#include "train/trace.hpp"
#include "train/weights.hpp"

namespace epi::train {

class StepWork {
 public:
  /// Allocates all but gradients. `block`, `timings` and what `setup` names must outlive it.
  /// Parts of steps are timed where ops are done when they return. DeviceError without memory.
  StepWork(const StepSetup& setup, const StepBlock& block, Timings& timings);

  /// Elements of the flat blocks, see block_room.
  [[nodiscard]] std::int64_t room() const { return weights_.room().size(); }
  /// The other half of the construction, in memory that the ranks reduce fastest: f32 [room], and
  /// bf16 [room] where gradients travel rounded, else absent; f32 [room] for parameters that the
  /// ranks gather, or absent: they stay where they are.
  void sum_in(core::Tensor gradients, core::Tensor wire, core::Tensor parameters);

  /// Other buckets of the gradients' exchange. Forgets the moments, so before the first step and
  /// before `load`. DeviceError without memory.
  void exchange_in(std::size_t bucket_bytes);

  /// The first batch and the sum of its targets: what a step leaves behind for the next.
  void prime();
  /// One step. Where ranks exchange through what can't be recorded, `recording` is cut.
  void step(RecordedStep& recording);
  /// From now on parts of steps and buckets become spans of `trace`; null: of nothing, as at first.
  /// Not while a step is recorded.
  void watch(Trace* trace);

  /// To be told of each step that was queued, recorded or not.
  void step_queued();
  /// Brings all parameters up to date, in the order of the stream. Collective, between steps.
  void settle();
  /// Whether they are.
  [[nodiscard]] bool settled() const { return !shards_ || shards_->settled(); }

  /// What the gradients' exchange of the last step cost; blocks the host until it is over.
  [[nodiscard]] dist::ExchangeStatistics exchange() const { return buckets_->statistics(); }

  [[nodiscard]] model::MaskedModel& model() { return model_; }
  [[nodiscard]] const model::MaskedModel& model() const { return model_; }
  [[nodiscard]] const Weights& weights() const { return weights_; }
  /// Copies parameters and moments to rank 0's host memory; complete on return. Collective.
  void save(const TrainingBlocks& host);
  /// Takes parameters and moments from rank 0's host memory to all ranks. Collective.
  void load(const TrainingBlocks& host);
  /// Of the moments that this rank keeps.
  [[nodiscard]] std::size_t moment_bytes() const { return optimizer_->bytes(); }
  /// Of all gradients' blocks.
  [[nodiscard]] std::size_t gradient_bytes() const { return tree_->bytes(); }
  /// Of the next step's tensors.
  [[nodiscard]] std::size_t batch_bytes() const;

 private:
  void begin();
  void compute(RecordedStep& recording);
  [[nodiscard]] model::LossOutputs losses_of(std::size_t j) const;
  void backward_last(std::size_t j, RecordedStep& recording);
  void exchange_from(std::int64_t offset, RecordedStep& recording);
  void share_buckets(std::size_t bucket_bytes);
  [[nodiscard]] model::BlockHooks forward_hooks(std::size_t j);
  [[nodiscard]] core::View gradient_leaf(std::int64_t leaf) const;
  void sum_squares(RecordedStep& recording);
  void update();
  void assemble();
  void sum_message();
  [[nodiscard]] dist::Pending sum_bucket(const core::View& bucket, const core::Event& after);
  [[nodiscard]] dist::Pending sum_over_ranks(const core::View& view, const core::Event& after);
  template <class Body>
  void measure(Part part, const Body& body);

  StepSetup setup_;
  const StepBlock& block_;
  Timings& timings_;
  Trace* trace_ = nullptr;
  std::int64_t local_;  // micro-batches of this rank
  bool timed_;          // calls return when their work is done
  model::MaskedModel model_;
  Weights weights_;
  std::optional<GradientTree> tree_;
  TotalsTree totals_;                   // of both objectives
  std::optional<dist::TreeSum> pairs_;  // of reproducible runs on devices
  std::optional<dist::GradientBuckets> buckets_;
  std::optional<ShardedParameters> shards_;
  std::optional<OptimizerState> optimizer_;
  std::vector<model::Batch> batches_;  // of the next step
  std::size_t started_ = 0;            // buckets whose start this recording has come to
};

}  // namespace epi::train
