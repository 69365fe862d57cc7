// How well a model fills in what is hidden from it: every target is shown as [MASK] (states as the
// masked id) at fixed positions, dropout is off, and sums are over all ranks. Kept or randomly
// replaced targets, as in training, would reveal themselves: the model sees which token it is
// asked.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "core/corpus.hpp"
#include "data/sample_source.hpp"
#include "dist/communicator.hpp"
#include "kernels/ops.hpp"
#include "model/masked_model.hpp"
#include "train/device_corpus.hpp"
#include "train/training_step.hpp"

namespace epi::train {

/// Positions of evaluation targets are the same in every run: a function of this seed, the sample's
/// number in its source, and the position.
inline constexpr std::uint64_t kEvaluationSeed = 0x65706974;

/// `masks` with every target hidden and every track shown; targets in repeats count in full, so
/// that runs which treat repeats differently have comparable figures.
[[nodiscard]] kernels::MaskSpec evaluation_masks(kernels::MaskSpec masks);

struct MaskedScores {
  ObjectiveTotals dna, state;
  double hidden_bases = 0.0;
  std::int64_t samples = 0;

  /// Nats of all DNA targets / hidden bases / ln 2; 0 without targets. With overlapping k-mers this
  /// counts a hidden base once, though several tokens show it.
  [[nodiscard]] double bits_per_base() const;
};

/// One micro-batch after its forward pass, all of it in host memory. Rows beyond `samples` have
/// weight 0.
struct ScoredBatch {
  std::int64_t first_sample = 0;  ///< number of samples[0] in its source
  std::span<const core::SampleRef> samples;
  const model::Batch& batch;
  std::span<const float> dna_row_loss;  ///< [B*Md] nats
  std::span<const std::int32_t> dna_predicted;
  std::span<const float> state_row_loss;  ///< [B*Ms] nats
  std::span<const std::int32_t> state_predicted;
};
using OnScoredBatch = std::function<void(const ScoredBatch&)>;

/// What a validation works with. All must outlive it.
struct ValidatorSetup {
  kernels::TokenSpec tokens;
  kernels::MaskSpec masks;  ///< of training: rates and spans count, the rest is replaced
  const DeviceCorpus& corpus;
  kernels::Ops& ops;
  model::MaskedModel&
      model;  ///< made with the shape of these masks; its activations are overwritten
  dist::Communicator& world;
  core::Stream& stream;
};

/// Owns its batch, so that a training step prepared before a validation is still ready after it.
class Validator {
 public:
  /// Allocates batches of the model's shape, on the device of the ops and, where that is another
  /// one, for the host; DeviceError without memory.
  explicit Validator(const ValidatorSetup& setup);
  ~Validator();

  /// Scores all samples of `source`, each rank a contiguous share of the micro-batches; sums are
  /// over all ranks, the same on each, and the same bits on any number of them. Collective.
  /// `on_batch`, if given, sees this rank's batches.
  MaskedScores run(const data::SampleSource& source, const model::ParameterBlocks& parameters,
                   const OnScoredBatch& on_batch = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace epi::train
