// One post-LayerNorm transformer layer: attention and feed-forward, forward and backward in ops.
//
//   qkv = x Wqkv^T + b          context = attend(qkv)
//   a   = LayerNorm(x + dropout(context Wo^T + b))
//   y   = LayerNorm(a + dropout(gelu(a W1^T + b) W2^T + b))
#pragma once

#include <cstdint>
#include <string>

#include "model/blocks.hpp"
#include "model/model_config.hpp"

namespace epi::model {

/// Gradients that all layers of an encoder share, one layer at a time.
struct LayerScratch {
  core::View dout;      ///< [B, T, H] gradient of the layer's output; after backward, of its input
  core::View dmiddle;   ///< [B, T, H]
  core::View ddropped;  ///< [B, T, H] behind a dropout; absent when the model has none
  core::View dqkv;      ///< [B, T, 3H]
  core::View dintermediate;  ///< [B*T, I]
};

class EncoderLayer {
 public:
  /// Appends the layer's parameters ("bert.encoder.layer.INDEX...") and plans its activations: 8 H
  /// + 2 I + A + 4 floats a token.
  EncoderLayer(const ModelConfig& config, const BatchShape& shape, std::int32_t index,
               ParameterTable& table, Workspace& workspace);

  /// Writes output(); `input` [B, T, H] must stay as it is until backward.
  void forward(kernels::Ops& ops, const core::ConstView& input, const Pass& pass);

  /// Takes the gradient of the output in scratch.dout and leaves that of the input there. Writes
  /// the gradients of all parameters of the layer. `input` as in forward.
  void backward(kernels::Ops& ops, const core::ConstView& input, const LayerScratch& scratch,
                const Pass& pass);

  [[nodiscard]] const core::View& output() const { return output_; }  ///< [B, T, H]
  /// First element of the layer's parameters in the flat block.
  [[nodiscard]] std::int64_t offset() const { return qkv_.weight.offset; }

 private:
  /// A sublayer's end: LayerNorm(residual + dropout(x)), x overwritten by the sum.
  struct AddNorm {
    Norm norm;
    DropoutSite site = DropoutSite::attention_output;
    core::View sum;         ///< [B, T, H]
    core::View mean, rstd;  ///< [B*T]
  };

  /// In Hugging Face's order and names; that order is the order of the flat block.
  void add_parameters(const ModelConfig& config, const std::string& prefix, ParameterTable& table);
  /// Everything that forward leaves for backward; gradients are shared, in LayerScratch.
  void plan_activations(const ModelConfig& config, const BatchShape& shape, Workspace& workspace);
  /// Takes x from part.sum, and leaves the sum there for the gradient.
  void forward_add_norm(kernels::Ops& ops, const AddNorm& part, const core::ConstView& residual,
                        const core::View& out, const Pass& pass) const;
  /// Gradient of the residual into `dresidual`; returns the view that holds the gradient of x.
  [[nodiscard]] core::View backward_add_norm(kernels::Ops& ops, const AddNorm& part,
                                             const core::View& dout, const core::View& dresidual,
                                             const core::View& ddropped, const Pass& pass) const;
  /// From the gradient of the layer's output to that of attention_output_, in scratch.dmiddle.
  void backward_feed_forward(kernels::Ops& ops, const LayerScratch& scratch, const Pass& pass);
  /// From there to the gradient of the input, in scratch.dout.
  void backward_attention(kernels::Ops& ops, const core::ConstView& input,
                          const LayerScratch& scratch, const Pass& pass);
  /// `dy` is the gradient of the second matrix's output; writes that of the pre-activation into
  /// `dintermediate`, and the gradients of the first matrix and its bias.
  void backward_intermediate(kernels::Ops& ops, const core::View& dy,
                             const core::View& dintermediate, const Pass& pass);
  /// The same draws in forward and backward: they depend on layer, site and element only.
  [[nodiscard]] kernels::Dropout dropout(DropoutSite site, const Pass& pass) const;

  std::uint32_t index_;
  std::int32_t heads_;
  float epsilon_;
  kernels::Activation activation_;
  Dense qkv_, attention_dense_, intermediate_dense_, output_dense_;
  AddNorm attention_end_, output_end_;
  core::View qkv_activation_;                 ///< [B, T, 3H]
  core::View lse_;                            ///< [B, A, T]
  core::View context_;                        ///< [B, T, H]
  core::View attention_output_;               ///< [B, T, H]
  core::View pre_activation_, intermediate_;  ///< [B*T, I]
  core::View output_;                         ///< [B, T, H]
};

}  // namespace epi::model
