// EBERT for pre-training: a BERT encoder over DNA tokens with chromatin states as token types, a
// masked-DNA head (decoder tied to the word embeddings) and a masked-state head.
//
// The mathematics is that of Hugging Face's BertForMaskedLM (post-LayerNorm, learned positions,
// tied decoder with bias); Devlin et al., arXiv 1810.04805; EBERT, arXiv 2112.07571. Sizes are our
// own.
#pragma once

#include <cstddef>
#include <memory>

#include "core/buffer.hpp"
#include "kernels/ops.hpp"
#include "model/execution.hpp"
#include "model/model_config.hpp"
#include "model/parameters.hpp"
#include "model/pass.hpp"

namespace epi::model {

/// The operands of one micro-batch, as `Ops::assemble` writes them.
struct Batch {
  /// Zeroed tensors on `device`. DeviceError without memory.
  Batch(const BatchShape& shape, core::Device device);
  core::Tensor token_ids, type_ids;                      ///< i32 [B, T]
  core::Tensor dna_rows, dna_labels, dna_weights;        ///< [B, Md]; absent with Md = 0
  core::Tensor state_rows, state_labels, state_weights;  ///< [B, Ms]; absent with Ms = 0

  /// The part of AssembleArgs that says where to write: these tensors.
  [[nodiscard]] kernels::AssembleArgs operands() const;
  /// The same for the first `samples` >= 1 rows only.
  [[nodiscard]] kernels::AssembleArgs operands(std::int64_t samples) const;
  /// Rows of [PAD] without targets, for what the next operands(samples) leaves.
  void clear(core::Stream& stream) const;
  /// Of all tensors.
  [[nodiscard]] std::size_t bytes() const;
};

/// Where losses go. Totals are needed for each objective of the batch shape; the rest may be
/// absent.
struct LossOutputs {
  core::View dna_totals{}, state_totals{};         ///< f64 [3] +=, see ClassLossArgs::totals
  core::View dna_row_loss{}, dna_predicted{};      ///< [B*Md]
  core::View state_row_loss{}, state_predicted{};  ///< [B*Ms]
};

class MaskedModel {
 public:
  /// Plans and allocates all activations: no allocation later. `ops` must outlive this object and
  /// take execution.activations. ConfigError when the sizes don't fit each other.
  MaskedModel(const ModelConfig& config, const BatchShape& shape, kernels::Ops& ops,
              const Execution& execution = {});
  /// Work queued on it must be finished.
  ~MaskedModel();

  /// Depends on the configuration alone: the DNA head is always there, the state head with S > 0.
  [[nodiscard]] const ParameterTable& table() const;
  /// As given, checked.
  [[nodiscard]] const ModelConfig& config() const;
  /// The only shape that forward and backward take.
  [[nodiscard]] const BatchShape& shape() const;
  /// As given.
  [[nodiscard]] const Execution& execution() const;
  /// Puts activations where `gradients` will be, as far as backward is done with them by then: 310
  /// MB of a base-size model. From now on forward overwrites this block, so it must hold nothing
  /// from forward on until backward, which must write to this very block. Before the first forward;
  /// the block must outlive this object.
  void borrow(const core::View& gradients);
  /// Bytes of activations and their gradients that this object holds.
  [[nodiscard]] std::size_t activation_bytes() const;

  /// Losses of one micro-batch; leaves in place what backward needs. `training` false: dropout off.
  void forward(const Batch& batch, const ParameterBlocks& parameters,
               const kernels::StepState* state, bool training, const LossOutputs& losses,
               const BlockHooks& hooks, core::Stream& stream);

  /// gradients = d(loss) / d(parameters) of the last forward, once per forward. Every element is
  /// written: padding and heads without an objective get 0.
  void backward(const Batch& batch, const ParameterBlocks& parameters,
                const kernels::StepState* state, const core::View& gradients,
                const BlockHooks& hooks, core::Stream& stream);

  /// [B, T, H] of execution().activations: the encoder's output of the last forward.
  [[nodiscard]] core::ConstView hidden() const;

 private:
  /// LogicError unless both blocks are whole and of the right types.
  void require_whole(const ParameterBlocks& parameters) const;

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace epi::model
