// The BERT encoder: embeddings of tokens, positions and token types, then L layers. Heads read its
// hidden states and leave their gradient with it, so pre-training and fine-tuning share it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/buffer.hpp"
#include "model/blocks.hpp"
#include "model/encoder_layer.hpp"
#include "model/execution.hpp"
#include "model/model_config.hpp"

namespace epi::model {

/// i32 [B, T] each: what the encoder reads.
struct EncoderInput {
  core::ConstView token_ids;
  core::ConstView type_ids;  ///< 0 missing, 1..S states, S+1 masked
};

class Encoder {
 public:
  /// Appends the encoder's parameters ("bert....") to the table. The configuration has been
  /// checked. `ops` must outlive this object.
  Encoder(const ModelConfig& config, kernels::Ops& ops, ParameterTable& table);

  /// Plans activations and scratch in `workspace`, which must outlive this object; once more to
  /// plan them anew. `gradients` is the flat block of gradients, or absent: activations of layer i
  /// may then lie where the gradients of layer i - 1 will be, as backward is done with them before
  /// it writes there.
  void plan(const ModelConfig& config, const BatchShape& shape, Recompute recompute,
            const core::View& gradients, Workspace& workspace);

  /// Writes hidden(). Announces each layer through pass.hooks.before_read.
  void forward(const EncoderInput& input, const Pass& pass);

  /// Gradients of all encoder parameters from hidden_gradient(), which is consumed. Announces each
  /// layer through pass.hooks.gradients_done, 0 last. `word_gradient` add: the word embeddings'
  /// slice already holds the gradient of a decoder that is tied to them.
  void backward(const EncoderInput& input, kernels::Write word_gradient, const Pass& pass);

  /// [B, T, H]: the last layer's output.
  [[nodiscard]] core::ConstView hidden() const { return outputs_.back(); }
  /// [B, T, H]: heads write d(loss)/d(hidden) here before backward.
  [[nodiscard]] core::View hidden_gradient() const { return scratch_.dout; }
  /// [V, H], for a tied decoder.
  [[nodiscard]] const Slice& word_embeddings() const { return words_; }

 private:
  /// Where the gradients of layer `index` will be.
  [[nodiscard]] core::View gradients_of(std::size_t index, const core::View& gradients) const;
  /// What layer `index` reads.
  [[nodiscard]] const core::View& input_of(std::size_t index) const {
    return index == 0 ? embedded_ : outputs_[index - 1];
  }
  /// The set of layer `index`; with Recompute::layer there is one for all.
  [[nodiscard]] const LayerActivations& kept_of(std::size_t index) const {
    return kept_.size() == 1 ? kept_.front() : kept_[index];
  }
  /// Behind the embeddings' LayerNorm; layers have their own sites.
  [[nodiscard]] kernels::Dropout dropout(const Pass& pass) const;
  /// Words, types, positions; embed_grad writes their gradients in the same order.
  [[nodiscard]] std::array<kernels::EmbedTable, kernels::kMaxEmbedTables> tables(
      const EncoderInput& input, const Pass& pass) const;
  /// Sum of the three embeddings, LayerNorm, dropout.
  void embed(const EncoderInput& input, const Pass& pass);
  /// From scratch_.dout; `word_gradient` as in backward.
  void embed_grad(const EncoderInput& input, kernels::Write word_gradient, const Pass& pass);

  kernels::Ops* ops_;
  float epsilon_;
  Recompute recompute_ = Recompute::none;
  Slice words_, positions_, types_;
  Norm norm_;
  core::View embedded_;     ///< [B, T, H]
  core::View mean_, rstd_;  ///< [B*T]
  std::vector<EncoderLayer> layers_;
  std::vector<core::View> outputs_;     ///< [B, T, H] of each layer
  std::vector<LayerActivations> kept_;  ///< of each layer, or one for all
  LayerScratch scratch_;
};

}  // namespace epi::model
