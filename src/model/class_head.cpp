// See the header. Buffers of the backward pass are reused as soon as their last reader is done.
#include "model/class_head.hpp"

namespace epi::model {
namespace {

core::ConstView flat(const core::ConstView& view) {
  return view.reshape({view.size()});
}

}  // namespace

HeadParameters add_dna_head(const ModelConfig& config, const Slice& words, ParameterTable& table) {
  const std::string prefix = "cls.predictions.";
  HeadParameters head;
  head.offset = table.block_size();
  head.transform = add_dense(table, prefix + "transform.dense", config.hidden, config.hidden);
  head.norm = add_norm(table, prefix + "transform.LayerNorm", config.hidden);
  head.decoder = {words, add_vector(table, prefix + "bias", config.vocabulary, Initial::zeros)};
  head.end = table.block_size();
  return head;
}

HeadParameters add_state_head(const ModelConfig& config, ParameterTable& table) {
  const std::string prefix = "state_head.";
  HeadParameters head;
  head.offset = table.block_size();
  head.transform = add_dense(table, prefix + "transform.dense", config.hidden, config.hidden);
  head.norm = add_norm(table, prefix + "transform.LayerNorm", config.hidden);
  head.decoder = add_dense(table, prefix + "decoder", config.num_states, config.hidden);
  head.end = table.block_size();
  return head;
}

ClassHead::ClassHead(const ModelConfig& config, const HeadParameters& parameters,
                     kernels::LossTerm term, std::int64_t slots, kernels::Ops& ops,
                     Workspace& workspace)
    : ops_(&ops),
      parameters_(parameters),
      term_(term),
      activation_(config.activation),
      epsilon_(config.epsilon) {
  const std::int64_t h = config.hidden;
  gathered_ = workspace.activation({slots, h});
  pre_activation_ = workspace.activation({slots, h});
  activated_ = workspace.activation({slots, h});
  normed_ = workspace.activation({slots, h});
  mean_ = workspace.statistic({slots});
  rstd_ = workspace.statistic({slots});
  logits_ = workspace.activation(
      {slots, ops.row_width(parameters.decoder.weight.rows, workspace.activations())});
  dnormed_ = workspace.activation({slots, h});
  dactivated_ = workspace.activation({slots, h});
}

void ClassHead::forward(const core::ConstView& hidden, const Targets& targets,
                        const HeadOutputs& outputs, const Pass& pass) {
  pass.before_read(parameters_.offset);
  ops_->gather_rows({.in = as_rows(hidden), .rows = flat(targets.rows), .out = gathered_},
                    pass.stream);
  dense_forward(*ops_, parameters_.transform, activation_, gathered_, pre_activation_, activated_,
                pass);
  ops_->add_norm({.x = activated_,
                  .gamma = parameters_.norm.gamma.of(pass.parameters),
                  .beta = parameters_.norm.beta.of(pass.parameters),
                  .epsilon = epsilon_,
                  .out = normed_,
                  .sum = activated_,
                  .mean = mean_,
                  .rstd = rstd_},
                 pass.stream);
  dense_forward(*ops_, parameters_.decoder, normed_, logits_, pass);
  ops_->class_loss({.logits = logits_,
                    .classes = static_cast<std::int32_t>(parameters_.decoder.weight.rows),
                    .labels = flat(targets.labels),
                    .weights = flat(targets.weights),
                    .term = term_,
                    .state = pass.state,
                    .totals = outputs.totals,
                    .row_loss = outputs.row_loss,
                    .predicted = outputs.predicted},
                   pass.stream);
}

void ClassHead::backward(const Targets& targets, kernels::Write write,
                         const core::View& hidden_gradient, const Pass& pass) {
  dense_grad_weight(*ops_, parameters_.decoder, logits_, normed_, pass);
  dense_grad_input(*ops_, parameters_.decoder, logits_, kernels::Write::set, dnormed_, pass);
  ops_->add_norm_grad({.sum = activated_,
                       .mean = mean_,
                       .rstd = rstd_,
                       .gamma = parameters_.norm.gamma.of(pass.parameters),
                       .dout = dnormed_,
                       .dresidual = dactivated_,
                       .dgamma = parameters_.norm.gamma.of(pass.gradients),
                       .dbeta = parameters_.norm.beta.of(pass.gradients)},
                      pass.stream);
  ops_->activate_grad(
      {.activation = activation_, .x = pre_activation_, .dy = dactivated_, .dx = dactivated_},
      pass.stream);
  backward_transform(targets, write, hidden_gradient, pass);
}

void ClassHead::backward_transform(const Targets& targets, kernels::Write write,
                                   const core::View& hidden_gradient, const Pass& pass) {
  dense_grad_weight(*ops_, parameters_.transform, dactivated_, gathered_, pass);
  // dnormed_ has been read: it now takes the gradient of the gathered rows. Unused slots all name
  // row 0, but their rows are exactly zero.
  dense_grad_input(*ops_, parameters_.transform, dactivated_, kernels::Write::set, dnormed_, pass);
  ops_->scatter_rows(
      {.in = dnormed_, .rows = flat(targets.rows), .write = write, .out = as_rows(hidden_gradient)},
      pass.stream);
}

}  // namespace epi::model
