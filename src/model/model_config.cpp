// See the header. Every refusal names the size, its value and what it must be.
#include "model/model_config.hpp"

#include <fmt/format.h>

#include "core/error.hpp"

namespace epi::model {
namespace {

void demand(bool ok, const std::string& message) {
  if (!ok) throw core::ConfigError("model: " + message);
}

/// FLOPs per token of a head that sees `slots` of `tokens` positions.
double head_flops(const ModelConfig& config, double slots, double tokens, double classes) {
  const double hidden = config.hidden;
  return 6.0 * (slots / tokens) * (hidden * hidden + hidden * classes);
}

}  // namespace

void ModelConfig::check() const {
  demand(layers >= 1, fmt::format("layers is {}, must be at least 1", layers));
  // 16 floats are a cache line: so q, k and v of a layer lie packed, without padding between them.
  demand(hidden >= 16 && hidden % 16 == 0,
         fmt::format("hidden is {}, must be a positive multiple of 16", hidden));
  demand(heads >= 1 && hidden % heads == 0,
         fmt::format("heads is {}, must divide hidden = {}", heads, hidden));
  demand(intermediate >= 1, fmt::format("intermediate is {}, must be at least 1", intermediate));
  demand(positions >= 1, fmt::format("positions is {}, must be at least 1", positions));
  demand(vocabulary > kernels::kFirstKmer,
         fmt::format("vocabulary is {}, must exceed the {} special tokens", vocabulary,
                     kernels::kFirstKmer));
  demand(num_states >= 0 && num_states <= 254,
         fmt::format("num_states is {}, must be 0 to 254", num_states));
  demand(activation == kernels::Activation::gelu || activation == kernels::Activation::gelu_tanh,
         "activation must be gelu or gelu_tanh");
  demand(dropout >= 0.0F && dropout < 1.0F,
         fmt::format("dropout is {}, must be at least 0 and below 1", dropout));
  demand(epsilon > 0.0F, fmt::format("epsilon is {}, must be positive", epsilon));
  demand(initial_deviation > 0.0F,
         fmt::format("initial_deviation is {}, must be positive", initial_deviation));
}

ModelConfig preset(const std::string& name) {
  struct Preset {
    const char* name;
    std::int32_t layers, hidden, heads;
  };
  for (const Preset& p : {Preset{"tiny", 2, 128, 2}, Preset{"small", 4, 256, 4},
                          Preset{"base", 12, 768, 12}, Preset{"large", 24, 1024, 16}}) {
    if (name != p.name) continue;
    ModelConfig config;
    config.layers = p.layers;
    config.hidden = p.hidden;
    config.heads = p.heads;
    config.intermediate = 4 * p.hidden;
    return config;
  }
  throw core::ConfigError(
      fmt::format("model: no preset is called \"{}\"; there are tiny, small, base, large", name));
}

void BatchShape::check(const ModelConfig& config) const {
  demand(batch >= 1, fmt::format("batch is {}, must be at least 1", batch));
  demand(tokens >= 1 && tokens <= config.positions,
         fmt::format("{} tokens in a window, but the model has {} positions", tokens,
                     config.positions));
  demand(dna_slots >= 0 && state_slots >= 0, "target slots can't be negative");
  demand(dna_slots > 0 || state_slots > 0,
         "no objective: neither DNA tokens nor states are masked; raise one of the rates");
  demand(state_slots == 0 || config.num_states > 0,
         "states are masked, but the model has none; set num_states from the store");
}

double flops_per_token(const ModelConfig& config, const BatchShape& shape) {
  const double layers = config.layers;
  const double hidden = config.hidden;
  const auto tokens = static_cast<double>(shape.tokens);
  const double body = layers * (4.0 * hidden * hidden + 2.0 * hidden * config.intermediate);
  return 6.0 * body + 12.0 * layers * hidden * tokens +
         head_flops(config, static_cast<double>(shape.dna_slots), tokens, config.vocabulary) +
         head_flops(config, static_cast<double>(shape.state_slots), tokens, config.num_states);
}

}  // namespace epi::model
