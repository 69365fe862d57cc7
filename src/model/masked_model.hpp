// EBERT for pre-training: a BERT encoder over DNA tokens with chromatin states as token types, a
// masked-DNA head (decoder tied to the word embeddings) and a masked-state head.
//
// The mathematics is that of Hugging Face's BertForMaskedLM (post-LayerNorm, learned positions, tied
// decoder with bias); Devlin et al., arXiv 1810.04805; EBERT, arXiv 2112.07571. Sizes are our own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/buffer.hpp"
#include "kernels/ops.hpp"
#include "model/parameters.hpp"

namespace epi::model {

struct ModelConfig {
  std::int32_t layers = 12;
  std::int32_t hidden = 768;
  std::int32_t heads = 12;
  std::int32_t intermediate = 3072;
  std::int32_t positions = 512;     ///< longest sequence
  std::int32_t vocabulary = 4101;   ///< V
  std::int32_t num_states = 0;      ///< S; token types are 0 missing, 1..S, S+1 masked
  kernels::Activation activation = kernels::Activation::gelu_tanh;  ///< or gelu
  float dropout = 0.0F;             ///< embeddings, attention probabilities, hidden states
  float epsilon = 1e-12F;
  float initial_deviation = 0.02F;

  [[nodiscard]] std::int32_t token_types() const { return num_states + 2; }
  /// Throws ConfigError naming the wrong size.
  void check() const;
};

/// tiny 2x128x2, small 4x256x4, base 12x768x12, large 24x1024x16 (layers x hidden x heads). Ours: the
/// papers' sizes are not published in what we have. ConfigError lists the names.
[[nodiscard]] ModelConfig preset(const std::string& name);

/// Shape of a micro-batch; fixed for the life of a model.
struct BatchShape {
  std::int64_t batch = 1;       ///< B
  std::int64_t tokens = 512;    ///< T
  std::int64_t dna_slots = 0;   ///< Md per window; 0: no masked-DNA objective
  std::int64_t state_slots = 0; ///< Ms per window; 0: no masked-state objective
};

/// The operands of one micro-batch, as `Ops::assemble` writes them.
struct Batch {
  Batch(const BatchShape& shape, core::Device device);
  core::Tensor token_ids, type_ids;                     ///< i32 [B, T]
  core::Tensor dna_rows, dna_labels, dna_weights;       ///< [B, Md]; absent with Md = 0
  core::Tensor state_rows, state_labels, state_weights; ///< [B, Ms]; absent with Ms = 0
};

/// Where losses go. Absent views are not written.
struct LossOutputs {
  core::View dna_totals, state_totals;        ///< f64 [3] +=, see ClassLossArgs::totals
  core::View dna_row_loss, dna_predicted;     ///< [B*Md]
  core::View state_row_loss, state_predicted; ///< [B*Ms]
};

/// How train follows the flat block through a step.
struct BlockHooks {
  /// Called by forward before the first read of parameters at or after this offset.
  std::function<void(std::int64_t)> before_read;
  /// Called by backward when gradients at or after this offset are final; falls to 0.
  std::function<void(std::int64_t)> gradients_done;
};

class MaskedModel {
 public:
  /// Plans and allocates all activations: no allocation later.
  MaskedModel(const ModelConfig& config, const BatchShape& shape, kernels::Ops& ops);
  ~MaskedModel();

  [[nodiscard]] const ParameterTable& table() const;
  [[nodiscard]] const ModelConfig& config() const;
  [[nodiscard]] const BatchShape& shape() const;
  /// Bytes of activations and workspace that this object holds.
  [[nodiscard]] std::size_t activation_bytes() const;

  /// Losses of one micro-batch; leaves in place what backward needs. `parameters` is the flat block.
  /// `training` false: dropout off.
  void forward(const Batch& batch, const core::ConstView& parameters,
               const kernels::StepState* state, bool training, const LossOutputs& losses,
               const BlockHooks& hooks, core::Stream& stream);

  /// gradients = d(loss) / d(parameters) of the last forward, every element written.
  void backward(const Batch& batch, const core::ConstView& parameters,
                const kernels::StepState* state, const core::View& gradients,
                const BlockHooks& hooks, core::Stream& stream);

  /// [B, T, H]: the encoder's output of the last forward.
  [[nodiscard]] core::ConstView hidden() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Model FLOPs per token, forward and backward: 6 N_body + 12 L H T + head on `masked_share` rows.
/// Recomputation, padding and dropout are not counted.
[[nodiscard]] double flops_per_token(const ModelConfig& config, const BatchShape& shape);

}  // namespace epi::model
