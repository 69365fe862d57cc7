// A head that predicts one of C classes at chosen positions: BERT's masked-language-model head, and
// the same form for chromatin states. It computes at target slots only, since nobody scores the
// other 85 % of positions.
//
//   g = hidden[rows];  n = LayerNorm(gelu(g Wt^T + b));  logits = n Wd^T + b;  softmax
//   cross-entropy
#pragma once

#include <cstdint>
#include <string>

#include "model/blocks.hpp"
#include "model/model_config.hpp"

namespace epi::model {

/// Slots of a micro-batch, M = B * slots a window; any shape of that size.
struct Targets {
  core::ConstView rows;     ///< i32: row of [B*T]
  core::ConstView labels;   ///< i32
  core::ConstView weights;  ///< f32; 0: unused slot
};

/// Where losses go; absent views are not written.
struct HeadOutputs {
  core::View totals{};     ///< f64 [3] +=
  core::View row_loss{};   ///< f32 [M]
  core::View predicted{};  ///< i32 [M]
};

struct HeadParameters {
  Dense transform;
  Norm norm;
  Dense decoder;                     ///< the weight may be another part's: a tied decoder
  std::int64_t offset = 0, end = 0;  ///< the head's own range of the flat block
};

/// Appends the masked-DNA head under its Hugging Face names; its decoder is tied to `words` [V, H].
[[nodiscard]] HeadParameters add_dna_head(const ModelConfig& config, const Slice& words,
                                          ParameterTable& table);
/// Appends the masked-state head, "state_head...", with its own decoder [S, H].
[[nodiscard]] HeadParameters add_state_head(const ModelConfig& config, ParameterTable& table);

class ClassHead {
 public:
  /// Plans activations for `slots` = M targets. `ops` and `workspace` must outlive this object.
  ClassHead(const ModelConfig& config, const HeadParameters& parameters, kernels::LossTerm term,
            std::int64_t slots, kernels::Ops& ops, Workspace& workspace);

  /// Losses at the targets; logits() then holds their gradient. `hidden` is [B, T, H].
  void forward(const core::ConstView& hidden, const Targets& targets, const HeadOutputs& outputs,
               const Pass& pass);

  /// Writes the gradients of the head's parameters, the decoder's weight included, and sets or adds
  /// d(loss)/d(hidden).
  void backward(const Targets& targets, kernels::Write write, const core::View& hidden_gradient,
                const Pass& pass);

 private:
  /// From the gradient of the transform's pre-activation, in dactivated_, to hidden's.
  void backward_transform(const Targets& targets, kernels::Write write,
                          const core::View& hidden_gradient, const Pass& pass);

  kernels::Ops* ops_;
  HeadParameters parameters_;
  kernels::LossTerm term_;
  kernels::Activation activation_;
  float epsilon_;
  core::View gathered_, pre_activation_, activated_, normed_;  ///< [M, H]
  core::View mean_, rstd_;                                     ///< [M]
  core::View logits_;                                          ///< [M, C]
  core::View dnormed_, dactivated_;                            ///< [M, H]
};

}  // namespace epi::model
