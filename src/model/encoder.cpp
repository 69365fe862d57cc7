// See the header. Each layer reads the output of the one before in place, so that output is also
// what backward needs as the layer's input, and all that recomputation starts from.
#include "model/encoder.hpp"

namespace epi::model {

Encoder::Encoder(const ModelConfig& config, kernels::Ops& ops, ParameterTable& table)
    : ops_(&ops), epsilon_(config.epsilon) {
  const std::int64_t h = config.hidden;
  const std::string prefix = "bert.embeddings.";
  words_ =
      add_matrix(table, prefix + "word_embeddings.weight", config.vocabulary, h, Initial::kmers);
  positions_ = add_matrix(table, prefix + "position_embeddings.weight", config.positions, h,
                          Initial::sinusoid);
  types_ = add_matrix(table, prefix + "token_type_embeddings.weight", config.token_types(), h);
  norm_ = add_norm(table, prefix + "LayerNorm", h);
  layers_.reserve(static_cast<std::size_t>(config.layers));
  for (std::int32_t index = 0; index < config.layers; ++index) {
    layers_.emplace_back(config, index, table);
  }
}

core::View Encoder::gradients_of(std::size_t index, const core::View& gradients) const {
  const std::int64_t first = layers_[index].offset();
  return gradients.slice(first, layers_[index + 1].offset() - first);
}

void Encoder::plan(const ModelConfig& config, const BatchShape& shape, Recompute recompute,
                   const core::View& gradients, Workspace& workspace) {
  const std::int64_t b = shape.batch;
  const std::int64_t t = shape.tokens;
  const std::int64_t h = config.hidden;
  recompute_ = recompute;
  kept_.clear();
  outputs_.clear();
  embedded_ = workspace.activation({b, t, h});
  mean_ = workspace.statistic({b * t});
  rstd_ = workspace.statistic({b * t});
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    // With Recompute::layer the one set serves all layers, so it belongs to none.
    const bool own_set = recompute == Recompute::none || i == 0;
    if (gradients && i > 0) workspace.borrow(gradients_of(i - 1, gradients));
    if (own_set) kept_.push_back(plan_layer(config, shape, *ops_, workspace));
    outputs_.push_back(workspace.activation({b, t, h}));
  }
  workspace.borrow({});
  scratch_.dout = workspace.activation({b, t, h});
  scratch_.dmiddle = workspace.activation({b, t, h});
  if (config.dropout > 0.0F) scratch_.ddropped = workspace.activation({b, t, h});
  scratch_.dqkv = workspace.activation({b, t, 3 * h});
  scratch_.intermediate = workspace.activation({b * t, config.intermediate});
}

kernels::Dropout Encoder::dropout(const Pass& pass) const {
  return {.probability = pass.dropout,
          .layer = 0,
          .site = static_cast<std::uint32_t>(DropoutSite::embeddings)};
}

std::array<kernels::EmbedTable, kernels::kMaxEmbedTables> Encoder::tables(const EncoderInput& input,
                                                                          const Pass& pass) const {
  return {{{words_.of(pass.parameters), input.token_ids.reshape({input.token_ids.size()})},
           {types_.of(pass.parameters), input.type_ids.reshape({input.type_ids.size()})},
           {positions_.of(pass.parameters), {}}}};
}

void Encoder::embed(const EncoderInput& input, const Pass& pass) {
  kernels::EmbedArgs args;
  args.tables = tables(input, pass);
  args.gamma = norm_.gamma.of(pass.parameters);
  args.beta = norm_.beta.of(pass.parameters);
  args.epsilon = epsilon_;
  args.dropout = dropout(pass);
  args.state = pass.state;
  args.out = embedded_;
  args.mean = mean_;
  args.rstd = rstd_;
  ops_->embed(args, pass.stream);
}

void Encoder::embed_grad(const EncoderInput& input, kernels::Write word_gradient,
                         const Pass& pass) {
  kernels::EmbedGradArgs args;
  args.tables = tables(input, pass);
  args.gamma = norm_.gamma.of(pass.parameters);
  args.dropout = dropout(pass);
  args.state = pass.state;
  args.mean = mean_;
  args.rstd = rstd_;
  args.dout = scratch_.dout;
  args.drows[0] = words_.of(pass.gradients);
  args.drows[1] = types_.of(pass.gradients);
  args.drows[2] = positions_.of(pass.gradients);
  args.write = {word_gradient, kernels::Write::set, kernels::Write::set, kernels::Write::set};
  args.dgamma = norm_.gamma.of(pass.gradients);
  args.dbeta = norm_.beta.of(pass.gradients);
  ops_->embed_grad(args, pass.stream);
}

void Encoder::forward(const EncoderInput& input, const Pass& pass) {
  pass.before_read(0);
  embed(input, pass);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    pass.before_read(layers_[i].offset());
    layers_[i].forward(*ops_, input_of(i), outputs_[i], kept_of(i), scratch_, pass);
  }
}

// The last layer's activations are still there when backward begins.
void Encoder::backward(const EncoderInput& input, kernels::Write word_gradient, const Pass& pass) {
  for (std::size_t i = layers_.size(); i-- > 0;) {
    if (recompute_ == Recompute::layer && i + 1 < layers_.size()) {
      layers_[i].forward(*ops_, input_of(i), outputs_[i], kept_of(i), scratch_, pass);
    }
    layers_[i].backward(*ops_, input_of(i), kept_of(i), scratch_, pass);
    pass.gradients_done(layers_[i].offset());
  }
  embed_grad(input, word_gradient, pass);
  pass.gradients_done(0);
}

}  // namespace epi::model
