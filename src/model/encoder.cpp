// See the header. Each layer reads the output of the one before in place, so that output is also
// what backward needs as the layer's input.
#include "model/encoder.hpp"

namespace epi::model {

Encoder::Encoder(const ModelConfig& config, const BatchShape& shape, kernels::Ops& ops,
                 ParameterTable& table)
    : ops_(&ops), epsilon_(config.epsilon), workspace_(ops.device()) {
  const std::int64_t b = shape.batch;
  const std::int64_t t = shape.tokens;
  const std::int64_t h = config.hidden;
  const std::string prefix = "bert.embeddings.";
  words_ =
      add_matrix(table, prefix + "word_embeddings.weight", config.vocabulary, h, Initial::kmers);
  positions_ = add_matrix(table, prefix + "position_embeddings.weight", config.positions, h,
                          Initial::sinusoid);
  types_ = add_matrix(table, prefix + "token_type_embeddings.weight", config.token_types(), h);
  norm_ = add_norm(table, prefix + "LayerNorm", h);
  embedded_ = workspace_.add({b, t, h});
  mean_ = workspace_.add({b * t});
  rstd_ = workspace_.add({b * t});

  layers_.reserve(static_cast<std::size_t>(config.layers));
  for (std::int32_t index = 0; index < config.layers; ++index) {
    layers_.emplace_back(config, shape, index, table, workspace_);
  }
  scratch_.dout = workspace_.add({b, t, h});
  scratch_.dmiddle = workspace_.add({b, t, h});
  if (config.dropout > 0.0F) scratch_.ddropped = workspace_.add({b, t, h});
  scratch_.dqkv = workspace_.add({b, t, 3 * h});
  scratch_.dintermediate = workspace_.add({b * t, config.intermediate});
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
  core::ConstView x = embedded_;
  for (EncoderLayer& layer : layers_) {
    pass.before_read(layer.offset());
    layer.forward(*ops_, x, pass);
    x = layer.output();
  }
}

void Encoder::backward(const EncoderInput& input, kernels::Write word_gradient, const Pass& pass) {
  for (std::size_t index = layers_.size(); index-- > 0;) {
    const core::ConstView x = index == 0 ? embedded_ : layers_[index - 1].output();
    layers_[index].backward(*ops_, x, scratch_, pass);
    pass.gradients_done(layers_[index].offset());
  }
  embed_grad(input, word_gradient, pass);
  pass.gradients_done(0);
}

}  // namespace epi::model
