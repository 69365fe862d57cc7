// One optimizer step over all ranks: forward and backward of this rank's micro-batches, the sum of
// gradients, the update. Which micro-batch is computed where changes nothing but rounding.
//
// Batch t+1 is assembled at the end of step t, and its number of targets is summed over the ranks
// in the same small message as step t's losses and the wish to stop: two exchanges a step in all.
// On a device the host is one step ahead: it reads what step t-1 did while step t runs.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "dist/gradient_buckets.hpp"
#include "train/checkpoint.hpp"
#include "train/step_setup.hpp"
#include "train/timings.hpp"
#include "train/trace.hpp"

namespace epi::train {

/// Sums of one objective over targets, each by its weight, as ClassLossArgs::totals.
struct ObjectiveTotals {
  double nll = 0.0;  ///< nats
  double targets = 0.0;
  double correct = 0.0;

  /// Mean nats per target; 0 without targets.
  [[nodiscard]] double loss() const { return targets > 0.0 ? nll / targets : 0.0; }
  /// Share of correct targets; 0 without targets.
  [[nodiscard]] double accuracy() const { return targets > 0.0 ? correct / targets : 0.0; }
  /// Adds sums, so that means over several steps weigh each target alike.
  ObjectiveTotals& operator+=(const ObjectiveTotals& other);
};

/// What a step did, summed over all ranks; but for its times the same on each of them.
struct StepReport {
  std::int64_t step = 0;  ///< counted from 1
  double learning_rate = 0.0;
  ObjectiveTotals dna, state;
  double loss = 0.0;           ///< weighted sum of the objectives' losses
  double gradient_norm = 0.0;  ///< before clipping
  bool skipped = false;        ///< the gradient was not finite; nothing was changed
  bool stop = false;           ///< some rank wishes to stop
  std::uint64_t samples = 0;   ///< RunProgress::fingerprint after this step
  double seconds = 0.0;        ///< by the device's clock, from the end of the step before
  /// Of this rank; only where no later step has begun.
  std::optional<dist::ExchangeStatistics> exchange;
};

/// Bytes of one rank, by what they are for; those of the host's large ones on whole huge pages.
struct StepMemory {
  std::size_t parameters = 0, gradients = 0, moments = 0;
  std::size_t weights = 0;      ///< their copy in the type of activations; 0 on the CPU
  std::size_t activations = 0;  ///< with their gradients
  std::size_t batches = 0;      ///< of the next step: tokens, states, targets
  [[nodiscard]] std::size_t total() const {
    return parameters + weights + gradients + moments + activations + batches;
  }
};

class TrainingStep {
 public:
  /// Allocates everything that steps need and sets initial parameters. Collective: when one
  /// rank has no memory for it, all ranks throw DeviceError.
  explicit TrainingStep(const StepSetup& setup);
  /// Waits for what is under way.
  ~TrainingStep();

  /// Sums gradients in buckets of so many bytes, instead of those that train.bucket_mb says or a
  /// middle size. Before the first step and any restore. Collective: when one rank has no memory
  /// for it, all ranks throw DeviceError.
  void exchange_in(std::size_t bucket_bytes);

  /// Queues the next step, including the first one after a restore, and returns the oldest report
  /// that is not read yet: on the CPU this step's, on a device that of the step before, if any.
  /// Collective. `wish_to_stop` of any rank is in every rank's report of this step.
  std::optional<StepReport> run(bool wish_to_stop);
  /// Waits for the last step that was queued and returns its report; nothing when it was read.
  /// Brings sharded parameters up to date on all ranks. Collective.
  std::optional<StepReport> drain();

  /// From now on what happens in steps, and what `timings` measures between them, becomes spans of
  /// `trace`, which must live until another one, or null, takes its place: null, as at first,
  /// watches nothing. Nothing may be under way.
  void watch(Trace* trace);

  /// Steps that were begun, resumed ones included.
  [[nodiscard]] std::int64_t begun() const;
  /// Steps, updates and skipped steps as reported so far, resumed ones included.
  [[nodiscard]] const RunProgress& progress() const;
  /// Copies what a checkpoint holds to rank 0's `host`, which is absent on the other ranks;
  /// complete on return. Collective; nothing may be under way.
  void snapshot(const TrainingBlocks& host);
  /// Continues from rank 0's `host`, absent on the other ranks, and from `progress`, the same on
  /// all. Collective; nothing may be under way.
  void restore(const TrainingBlocks& host, const RunProgress& progress);

  /// Parameters as models read them; after `drain`.
  [[nodiscard]] model::ParameterBlocks parameters() const;
  /// For evaluation between steps, which may overwrite its activations.
  [[nodiscard]] model::MaskedModel& model();
  /// Names and places in the blocks.
  [[nodiscard]] const model::ParameterTable& table() const;
  /// Callers add what they do between steps.
  [[nodiscard]] Timings& timings();
  /// Bytes of everything that this object has allocated.
  [[nodiscard]] StepMemory memory() const;
  /// Whether all parameters are finite.
  [[nodiscard]] bool parameters_finite();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace epi::train
