// See the header. Backward runs the two sublayers from the end; the gradients of the residual and
// of the branch meet by writing one and adding the other.
#include "model/encoder_layer.hpp"

namespace epi::model {
namespace {

using kernels::Write;

/// Query, key and value as one [3H, H] matrix and one [3H] bias. ModelConfig::check makes H a
/// multiple of 16, so the table puts no padding between the three.
Dense add_query_key_value(ParameterTable& table, const std::string& prefix, std::int64_t hidden) {
  Dense packed{{table.block_size(), 3 * hidden, hidden}, {}};
  for (const char* part : {"query", "key", "value"}) {
    add_matrix(table, prefix + part + ".weight", hidden, hidden);
  }
  packed.bias = {table.block_size(), 3 * hidden, 0};
  for (const char* part : {"query", "key", "value"}) {
    add_vector(table, prefix + part + ".bias", hidden, Initial::zeros);
  }
  core::require(packed.bias.offset - packed.weight.offset == 3 * hidden * hidden &&
                    table.block_size() - packed.bias.offset == 3 * hidden,
                "query, key and value are adjacent in the block");
  return packed;
}

}  // namespace

LayerActivations plan_layer(const ModelConfig& config, const BatchShape& shape,
                            const kernels::Ops& ops, Workspace& workspace) {
  const std::int64_t b = shape.batch;
  const std::int64_t t = shape.tokens;
  const std::int64_t h = config.hidden;
  // The largest first: borrowed memory holds the more.
  LayerActivations kept;
  kept.pre_activation = workspace.activation({b * t, config.intermediate});
  if (!ops.activates_operands())
    kept.activation = workspace.activation({b * t, config.intermediate});
  kept.qkv = workspace.activation({b, t, 3 * h});
  kept.context = workspace.activation({b, t, h});
  kept.attention_output = workspace.activation({b, t, h});
  for (AddNormActivations* end : {&kept.attention_end, &kept.output_end}) {
    end->sum = workspace.activation({b, t, h});
    end->mean = workspace.statistic({b * t});
    end->rstd = workspace.statistic({b * t});
  }
  kept.lse = workspace.statistic({b, config.heads, t});
  return kept;
}

EncoderLayer::EncoderLayer(const ModelConfig& config, std::int32_t index, ParameterTable& table)
    : index_(static_cast<std::uint32_t>(index)),
      heads_(config.heads),
      epsilon_(config.epsilon),
      activation_(config.activation) {
  add_parameters(config, "bert.encoder.layer." + std::to_string(index) + ".", table);
}

void EncoderLayer::add_parameters(const ModelConfig& config, const std::string& prefix,
                                  ParameterTable& table) {
  const std::int64_t h = config.hidden;
  const std::int64_t i = config.intermediate;
  qkv_ = add_query_key_value(table, prefix + "attention.self.", h);
  attention_dense_ = add_dense(table, prefix + "attention.output.dense", h, h);
  attention_end_.norm = add_norm(table, prefix + "attention.output.LayerNorm", h);
  attention_end_.site = DropoutSite::attention_output;
  intermediate_dense_ = add_dense(table, prefix + "intermediate.dense", i, h);
  output_dense_ = add_dense(table, prefix + "output.dense", h, i);
  output_end_.norm = add_norm(table, prefix + "output.LayerNorm", h);
  output_end_.site = DropoutSite::feed_forward_output;
}

kernels::Dropout EncoderLayer::dropout(DropoutSite site, const Pass& pass) const {
  return {.probability = pass.dropout, .layer = index_, .site = static_cast<std::uint32_t>(site)};
}

void EncoderLayer::forward_add_norm(kernels::Ops& ops, const AddNorm& part,
                                    const AddNormActivations& kept, const core::ConstView& residual,
                                    const core::View& out, const Pass& pass) const {
  ops.add_norm({.x = kept.sum,
                .residual = residual,
                .gamma = part.norm.gamma.of(pass.parameters),
                .beta = part.norm.beta.of(pass.parameters),
                .epsilon = epsilon_,
                .dropout = dropout(part.site, pass),
                .state = pass.state,
                .out = out,
                .sum = kept.sum,
                .mean = kept.mean,
                .rstd = kept.rstd},
               pass.stream);
}

core::View EncoderLayer::backward_add_norm(kernels::Ops& ops, const AddNorm& part,
                                           const AddNormActivations& kept, const core::View& dout,
                                           const core::View& dresidual, const core::View& ddropped,
                                           const Pass& pass) const {
  const bool dropped = pass.dropout > 0.0F;
  ops.add_norm_grad({.sum = kept.sum,
                     .mean = kept.mean,
                     .rstd = kept.rstd,
                     .gamma = part.norm.gamma.of(pass.parameters),
                     .dropout = dropout(part.site, pass),
                     .state = pass.state,
                     .dout = dout,
                     .dresidual = dresidual,
                     .dx = dropped ? ddropped : core::View(),
                     .dgamma = part.norm.gamma.of(pass.gradients),
                     .dbeta = part.norm.beta.of(pass.gradients)},
                    pass.stream);
  return as_rows(dropped ? ddropped : dresidual);
}

void EncoderLayer::forward(kernels::Ops& ops, const core::ConstView& input,
                           const core::View& output, const LayerActivations& kept,
                           const LayerScratch& scratch, const Pass& pass) const {
  dense_forward(ops, qkv_, as_rows(input), as_rows(kept.qkv), pass);
  ops.attend({.qkv = kept.qkv,
              .heads = heads_,
              .dropout = dropout(DropoutSite::attention_probabilities, pass),
              .state = pass.state,
              .out = kept.context,
              .lse = kept.lse},
             pass.stream);
  dense_forward(ops, attention_dense_, as_rows(kept.context), as_rows(kept.attention_end.sum),
                pass);
  forward_add_norm(ops, attention_end_, kept.attention_end, input, kept.attention_output, pass);

  const core::View& activated = kept.activation ? kept.activation : scratch.intermediate;
  dense_forward(ops, intermediate_dense_, activation_, as_rows(kept.attention_output),
                kept.pre_activation, activated, pass);
  dense_forward(ops, output_dense_, activated, as_rows(kept.output_end.sum), pass);
  forward_add_norm(ops, output_end_, kept.output_end, kept.attention_output, output, pass);
}

void EncoderLayer::backward(kernels::Ops& ops, const core::ConstView& input,
                            const LayerActivations& kept, const LayerScratch& scratch,
                            const Pass& pass) const {
  backward_feed_forward(ops, kept, scratch, pass);
  backward_attention(ops, input, kept, scratch, pass);
}

void EncoderLayer::backward_activation(kernels::Ops& ops, const core::View& dy,
                                       const core::View& pre_activation,
                                       const core::View& dintermediate, const Pass& pass) const {
  if (activation_ == kernels::Activation::gelu_tanh) {
    ops.linear_grad_input({.dy = dy,
                           .w = output_dense_.weight.of(pass.weights),
                           .epilogue = activation_,
                           .pre = pre_activation,
                           .dx = dintermediate},
                          pass.stream);
    return;
  }
  dense_grad_input(ops, output_dense_, dy, Write::set, dintermediate, pass);
  ops.activate_grad(
      {.activation = activation_, .x = pre_activation, .dy = dintermediate, .dx = dintermediate},
      pass.stream);
}

void EncoderLayer::backward_output_weights(kernels::Ops& ops, const core::View& dy,
                                           const LayerActivations& kept, const Pass& pass) const {
  if (kept.activation) return dense_grad_weight(ops, output_dense_, dy, kept.activation, pass);
  ops.linear_grad_weight({.dy = dy,
                          .x = kept.pre_activation,
                          .activation = activation_,
                          .dw = output_dense_.weight.of(pass.gradients),
                          .db = output_dense_.bias.of(pass.gradients)},
                         pass.stream);
}

void EncoderLayer::backward_feed_forward(kernels::Ops& ops, const LayerActivations& kept,
                                         const LayerScratch& scratch, const Pass& pass) const {
  const core::View dy = backward_add_norm(ops, output_end_, kept.output_end, scratch.dout,
                                          scratch.dmiddle, scratch.ddropped, pass);
  backward_output_weights(ops, dy, kept, pass);
  backward_activation(ops, dy, kept.pre_activation, scratch.intermediate, pass);
  dense_grad_weight(ops, intermediate_dense_, scratch.intermediate, as_rows(kept.attention_output),
                    pass);
  dense_grad_input(ops, intermediate_dense_, scratch.intermediate, Write::add,
                   as_rows(scratch.dmiddle), pass);
}

void EncoderLayer::backward_attention(kernels::Ops& ops, const core::ConstView& input,
                                      const LayerActivations& kept, const LayerScratch& scratch,
                                      const Pass& pass) const {
  const core::View dy = backward_add_norm(ops, attention_end_, kept.attention_end, scratch.dmiddle,
                                          scratch.dout, scratch.ddropped, pass);
  dense_grad_weight(ops, attention_dense_, dy, as_rows(kept.context), pass);
  // dmiddle has been read: it now takes the gradient of the context.
  dense_grad_input(ops, attention_dense_, dy, Write::set, as_rows(scratch.dmiddle), pass);
  ops.attend_grad({.qkv = kept.qkv,
                   .heads = heads_,
                   .dropout = dropout(DropoutSite::attention_probabilities, pass),
                   .state = pass.state,
                   .out = kept.context,
                   .lse = kept.lse,
                   .dout = scratch.dmiddle,
                   .dqkv = scratch.dqkv},
                  pass.stream);
  dense_grad_weight(ops, qkv_, as_rows(scratch.dqkv), as_rows(input), pass);
  dense_grad_input(ops, qkv_, as_rows(scratch.dqkv), Write::add, as_rows(scratch.dout), pass);
}

}  // namespace epi::model
