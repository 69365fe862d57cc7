// The sizes of a model and of its micro-batches, and what they cost.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/ops.hpp"

namespace epi::model {

struct ModelConfig {
  std::int32_t layers = 12;   ///< L
  std::int32_t hidden = 768;  ///< H, a multiple of 16 and of `heads`
  std::int32_t heads = 12;    ///< A
  std::int32_t intermediate = 3072;
  std::int32_t positions = 512;    ///< longest sequence
  std::int32_t vocabulary = 4101;  ///< V
  std::int32_t num_states = 0;     ///< S; token types are 0 missing, 1..S, S+1 masked
  kernels::Activation activation = kernels::Activation::gelu_tanh;  ///< or gelu
  float dropout = 0.0F;  ///< embeddings, attention probabilities, hidden states
  float epsilon = 1e-12F;
  float initial_deviation = 0.02F;

  /// Rows of the token-type table: missing, the S states, masked.
  [[nodiscard]] std::int32_t token_types() const { return num_states + 2; }
  /// Throws ConfigError naming the wrong size.
  void check() const;
};

/// tiny 2x128x2, small 4x256x4, base 12x768x12, large 24x1024x16 (layers x hidden x heads), with
/// intermediate = 4 hidden. Ours: the papers' sizes are not published in what we have. ConfigError
/// lists the names.
[[nodiscard]] ModelConfig preset(const std::string& name);

/// Shape of a micro-batch; fixed for the life of a model.
struct BatchShape {
  std::int64_t batch = 1;        ///< B
  std::int64_t tokens = 512;     ///< T
  std::int64_t dna_slots = 0;    ///< Md per window; 0: no masked-DNA objective
  std::int64_t state_slots = 0;  ///< Ms per window; 0: no masked-state objective

  /// Throws ConfigError when a model of these sizes can't take such a batch.
  void check(const ModelConfig& config) const;
};

/// Model FLOPs per token, forward and backward: 6 N_body + 12 L H T + 6 m (H^2 + H C) per head,
/// with N_body = L (4 H^2 + 2 H I) the encoder's weights, m the head's slots / T and C its classes
/// (V or S). Recomputation, padding and dropout are not counted.
[[nodiscard]] double flops_per_token(const ModelConfig& config, const BatchShape& shape);

}  // namespace epi::model
