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

/// A sublayer's end: LayerNorm(residual + dropout(x)), x overwritten by the sum.
struct AddNormActivations {
  core::View sum;         ///< [B, T, H]
  core::View mean, rstd;  ///< [B*T], f32
};

/// What forward leaves of one layer for backward. Layers may share a set when each runs its forward
/// again before its backward.
struct LayerActivations {
  core::View qkv;      ///< [B, T, 3H]
  core::View lse;      ///< [B, A, T], f32
  core::View context;  ///< [B, T, H]
  AddNormActivations attention_end;
  core::View attention_output;  ///< [B, T, H]
  core::View pre_activation;    ///< [B*T, I]
  core::View activation;        ///< [B*T, I]; absent where it is made anew while it is packed
  AddNormActivations output_end;
};

/// Plans a set: 7 H + I elements and A + 4 statistics a token, and I more where `ops` don't
/// activate operands on their way.
[[nodiscard]] LayerActivations plan_layer(const ModelConfig& config, const BatchShape& shape,
                                          const kernels::Ops& ops, Workspace& workspace);

/// What all layers of an encoder share, one layer at a time: gradients, and what forward does not
/// need to keep.
struct LayerScratch {
  core::View dout;      ///< [B, T, H] gradient of the layer's output; after backward, of its input
  core::View dmiddle;   ///< [B, T, H]
  core::View ddropped;  ///< [B, T, H] behind a dropout; absent when the model has none
  core::View dqkv;      ///< [B, T, 3H]
  /// [B*T, I]: in forward the feed-forward activation where that is not kept; in backward the
  /// gradient of pre_activation.
  core::View intermediate;
};

class EncoderLayer {
 public:
  /// Appends the layer's parameters ("bert.encoder.layer.INDEX...") to the table.
  EncoderLayer(const ModelConfig& config, std::int32_t index, ParameterTable& table);

  /// `output` = of `input`, both [B, T, H]; fills `kept` and uses scratch.intermediate. A second
  /// call with the same pass writes the same bits.
  void forward(kernels::Ops& ops, const core::ConstView& input, const core::View& output,
               const LayerActivations& kept, const LayerScratch& scratch, const Pass& pass) const;

  /// Takes the gradient of the output in scratch.dout and leaves that of the input there. Writes
  /// the gradients of all parameters of the layer. `input` and `kept` as forward left them.
  void backward(kernels::Ops& ops, const core::ConstView& input, const LayerActivations& kept,
                const LayerScratch& scratch, const Pass& pass) const;

  /// First element of the layer's parameters in the flat block.
  [[nodiscard]] std::int64_t offset() const { return qkv_.weight.offset; }

 private:
  /// The parameters of a sublayer's end, and where its dropout draws.
  struct AddNorm {
    Norm norm;
    DropoutSite site = DropoutSite::attention_output;
  };

  /// In Hugging Face's order and names; that order is the order of the flat block.
  void add_parameters(const ModelConfig& config, const std::string& prefix, ParameterTable& table);
  /// Takes x from kept.sum, and leaves the sum there for the gradient.
  void forward_add_norm(kernels::Ops& ops, const AddNorm& part, const AddNormActivations& kept,
                        const core::ConstView& residual, const core::View& out,
                        const Pass& pass) const;
  /// Gradient of the residual into `dresidual`; returns the view that holds the gradient of x.
  [[nodiscard]] core::View backward_add_norm(kernels::Ops& ops, const AddNorm& part,
                                             const AddNormActivations& kept, const core::View& dout,
                                             const core::View& dresidual,
                                             const core::View& ddropped, const Pass& pass) const;
  /// From the gradient of the layer's output to that of the attention's, in scratch.dmiddle.
  void backward_feed_forward(kernels::Ops& ops, const LayerActivations& kept,
                             const LayerScratch& scratch, const Pass& pass) const;
  /// From there to the gradient of the input, in scratch.dout.
  void backward_attention(kernels::Ops& ops, const core::ConstView& input,
                          const LayerActivations& kept, const LayerScratch& scratch,
                          const Pass& pass) const;
  /// Gradients of the second matrix, whose input is the feed-forward activation.
  void backward_output_weights(kernels::Ops& ops, const core::View& dy,
                               const LayerActivations& kept, const Pass& pass) const;
  /// `dy` is the gradient of the second matrix's output; writes that of the pre-activation into
  /// `dintermediate`.
  void backward_activation(kernels::Ops& ops, const core::View& dy,
                           const core::View& pre_activation, const core::View& dintermediate,
                           const Pass& pass) const;
  /// The same draws in forward and backward: they depend on layer, site and element only.
  [[nodiscard]] kernels::Dropout dropout(DropoutSite site, const Pass& pass) const;

  std::uint32_t index_;
  std::int32_t heads_;
  float epsilon_;
  kernels::Activation activation_;
  Dense qkv_, attention_dense_, intermediate_dense_, output_dense_;
  AddNorm attention_end_, output_end_;
};

}  // namespace epi::model
