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

EncoderLayer::EncoderLayer(const ModelConfig& config, const BatchShape& shape, std::int32_t index,
                           ParameterTable& table, Workspace& workspace)
    : index_(static_cast<std::uint32_t>(index)),
      heads_(config.heads),
      epsilon_(config.epsilon),
      activation_(config.activation) {
  add_parameters(config, "bert.encoder.layer." + std::to_string(index) + ".", table);
  plan_activations(config, shape, workspace);
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

void EncoderLayer::plan_activations(const ModelConfig& config, const BatchShape& shape,
                                    Workspace& workspace) {
  const std::int64_t b = shape.batch;
  const std::int64_t t = shape.tokens;
  const std::int64_t h = config.hidden;
  for (AddNorm* end : {&attention_end_, &output_end_}) {
    end->sum = workspace.add({b, t, h});
    end->mean = workspace.add({b * t});
    end->rstd = workspace.add({b * t});
  }
  qkv_activation_ = workspace.add({b, t, 3 * h});
  lse_ = workspace.add({b, heads_, t});
  context_ = workspace.add({b, t, h});
  attention_output_ = workspace.add({b, t, h});
  pre_activation_ = workspace.add({b * t, config.intermediate});
  intermediate_ = workspace.add({b * t, config.intermediate});
  output_ = workspace.add({b, t, h});
}

kernels::Dropout EncoderLayer::dropout(DropoutSite site, const Pass& pass) const {
  return {.probability = pass.dropout, .layer = index_, .site = static_cast<std::uint32_t>(site)};
}

void EncoderLayer::forward_add_norm(kernels::Ops& ops, const AddNorm& part,
                                    const core::ConstView& residual, const core::View& out,
                                    const Pass& pass) const {
  ops.add_norm({.x = part.sum,
                .residual = residual,
                .gamma = part.norm.gamma.of(pass.parameters),
                .beta = part.norm.beta.of(pass.parameters),
                .epsilon = epsilon_,
                .dropout = dropout(part.site, pass),
                .state = pass.state,
                .out = out,
                .sum = part.sum,
                .mean = part.mean,
                .rstd = part.rstd},
               pass.stream);
}

core::View EncoderLayer::backward_add_norm(kernels::Ops& ops, const AddNorm& part,
                                           const core::View& dout, const core::View& dresidual,
                                           const core::View& ddropped, const Pass& pass) const {
  const bool dropped = pass.dropout > 0.0F;
  ops.add_norm_grad({.sum = part.sum,
                     .mean = part.mean,
                     .rstd = part.rstd,
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

void EncoderLayer::forward(kernels::Ops& ops, const core::ConstView& input, const Pass& pass) {
  dense_forward(ops, qkv_, as_rows(input), as_rows(qkv_activation_), pass);
  ops.attend({.qkv = qkv_activation_,
              .heads = heads_,
              .dropout = dropout(DropoutSite::attention_probabilities, pass),
              .state = pass.state,
              .out = context_,
              .lse = lse_},
             pass.stream);
  dense_forward(ops, attention_dense_, as_rows(context_), as_rows(attention_end_.sum), pass);
  forward_add_norm(ops, attention_end_, input, attention_output_, pass);

  dense_forward(ops, intermediate_dense_, activation_, as_rows(attention_output_), pre_activation_,
                intermediate_, pass);
  dense_forward(ops, output_dense_, intermediate_, as_rows(output_end_.sum), pass);
  forward_add_norm(ops, output_end_, attention_output_, output_, pass);
}

void EncoderLayer::backward(kernels::Ops& ops, const core::ConstView& input,
                            const LayerScratch& scratch, const Pass& pass) {
  backward_feed_forward(ops, scratch, pass);
  backward_attention(ops, input, scratch, pass);
}

void EncoderLayer::backward_intermediate(kernels::Ops& ops, const core::View& dy,
                                         const core::View& dintermediate, const Pass& pass) {
  const core::ConstView x = as_rows(attention_output_);
  if (activation_ != kernels::Activation::gelu_tanh) {
    dense_grad_input(ops, output_dense_, dy, Write::set, dintermediate, pass);
    ops.activate_grad(
        {.activation = activation_, .x = pre_activation_, .dy = dintermediate, .dx = dintermediate},
        pass.stream);
    dense_grad_weight(ops, intermediate_dense_, dintermediate, x, pass);
    return;
  }
  ops.linear_grad_input({.dy = dy,
                         .w = output_dense_.weight.of(pass.parameters),
                         .epilogue = activation_,
                         .pre = pre_activation_,
                         .dx = dintermediate,
                         .db_before = intermediate_dense_.bias.of(pass.gradients)},
                        pass.stream);
  ops.linear_grad_weight(
      {.dy = dintermediate, .x = x, .dw = intermediate_dense_.weight.of(pass.gradients)},
      pass.stream);
}

void EncoderLayer::backward_feed_forward(kernels::Ops& ops, const LayerScratch& scratch,
                                         const Pass& pass) {
  const core::View dy =
      backward_add_norm(ops, output_end_, scratch.dout, scratch.dmiddle, scratch.ddropped, pass);
  dense_grad_weight(ops, output_dense_, dy, intermediate_, pass);
  backward_intermediate(ops, dy, scratch.dintermediate, pass);
  dense_grad_input(ops, intermediate_dense_, scratch.dintermediate, Write::add,
                   as_rows(scratch.dmiddle), pass);
}

void EncoderLayer::backward_attention(kernels::Ops& ops, const core::ConstView& input,
                                      const LayerScratch& scratch, const Pass& pass) {
  const core::View dy =
      backward_add_norm(ops, attention_end_, scratch.dmiddle, scratch.dout, scratch.ddropped, pass);
  dense_grad_weight(ops, attention_dense_, dy, as_rows(context_), pass);
  // dmiddle has been read: it now takes the gradient of the context.
  dense_grad_input(ops, attention_dense_, dy, Write::set, as_rows(scratch.dmiddle), pass);
  ops.attend_grad({.qkv = qkv_activation_,
                   .heads = heads_,
                   .dropout = dropout(DropoutSite::attention_probabilities, pass),
                   .state = pass.state,
                   .out = context_,
                   .lse = lse_,
                   .dout = scratch.dmiddle,
                   .dqkv = scratch.dqkv},
                  pass.stream);
  dense_grad_weight(ops, qkv_, as_rows(scratch.dqkv), as_rows(input), pass);
  dense_grad_input(ops, qkv_, as_rows(scratch.dqkv), Write::add, as_rows(scratch.dout), pass);
}

}  // namespace epi::model
