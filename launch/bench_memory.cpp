// What memory gives here, and what of it the ops reach that only move memory: LayerNorm, losses,
// gathers, the optimizer, at the sizes of a training step.
#include <CLI/CLI.hpp>
#include <memory>

#include "bench_machine.hpp"
#include "benches.hpp"
#include "core/philox.hpp"
#include "exit_codes.hpp"
#include "model/model_config.hpp"

namespace epi::launch {
namespace {

using core::DType;
using core::Tensor;
using kernels::Ops;

struct MemoryOptions {
  MachineOptions machine;
  std::string model = "base";
  std::int64_t batch = 2;
  std::int32_t tokens = 512;
  double dropout = 0.0;
  std::int64_t parameters = 89'000'000;  ///< of the flat block: the base model's
};

/// `count` numbers from 0 to `below` - 1, in no order.
Tensor drawn(std::int64_t count, std::int64_t below, core::Stream& stream) {
  Tensor index(DType::i32, {count});
  for (std::int64_t i = 0; i < count; ++i) {
    const core::PhiloxBlock words =
        core::philox(3, core::RandomUse::test, {static_cast<std::uint32_t>(i), 0, 0, 0});
    index.as<std::int32_t>()[i] =
        static_cast<std::int32_t>(core::uniform_below(words[0], static_cast<std::uint32_t>(below)));
  }
  return moved(std::move(index), stream);
}

class MemoryBench {
 public:
  explicit MemoryBench(const MemoryOptions& options)
      : options_(options),
        config_(model::preset(options.model)),
        machine_(options.machine),
        report_(machine_.report("memory")),
        state_({.seed = 1, .learning_rate = 1e-4F, .loss_scale = {1.0F, 1.0F, 1.0F}},
               machine_.stream()) {
    report_.fact("model", options.model);
    report_.fact("batch", options.batch);
    report_.fact("tokens", options.tokens);
    report_.fact("dropout", options.dropout);
  }

  void run() {
    norms();
    elementwise();
    rows();
    loss();
    optimizer();
    report_.print(machine_.roofs(), options_.machine.json);
  }

 private:
  template <class Args>
  void add(const char* part, const Args& args, void (Ops::*entry)(const Args&, core::Stream&)) {
    report_.add(machine_.time(part, args, entry), machine_.roofs());
  }

  void norms() {
    const std::int64_t b = options_.batch, t = options_.tokens, h = config_.hidden;
    const Tensor x = machine_.activations({b, t, h}), residual = machine_.activations({b, t, h});
    const Tensor gamma = machine_.numbers({h}), beta = machine_.numbers({h});
    const Tensor out = machine_.room({b, t, h}), sum = machine_.room({b, t, h});
    const Tensor mean = machine_.room(DType::f32, {b * t}),
                 rstd = machine_.room(DType::f32, {b * t});
    const kernels::Dropout dropout{.probability = static_cast<float>(options_.dropout)};
    const kernels::AddNormArgs forward{.x = x,
                                       .residual = residual,
                                       .gamma = gamma,
                                       .beta = beta,
                                       .dropout = dropout,
                                       .state = state_.get(),
                                       .out = out,
                                       .sum = sum,
                                       .mean = mean,
                                       .rstd = rstd};
    add("residual, dropout, LayerNorm", forward, &Ops::add_norm);
    const Tensor dgamma = machine_.room(DType::f32, {h}), dbeta = machine_.room(DType::f32, {h});
    const Tensor dx = options_.dropout > 0.0 ? machine_.room({b, t, h}) : Tensor();
    const kernels::AddNormGradArgs gradient{.sum = sum,
                                            .mean = mean,
                                            .rstd = rstd,
                                            .gamma = gamma,
                                            .dropout = dropout,
                                            .state = state_.get(),
                                            .dout = x,
                                            .dresidual = out,
                                            .dx = dx,
                                            .dgamma = dgamma,
                                            .dbeta = dbeta};
    add("residual, dropout, LayerNorm, gradient", gradient, &Ops::add_norm_grad);
  }

  void elementwise() {
    const std::int64_t rows = options_.batch * options_.tokens, wide = config_.intermediate;
    const Tensor x = machine_.activations({rows, wide}), dy = machine_.activations({rows, wide});
    const Tensor y = machine_.room({rows, wide});
    const auto gelu = kernels::Activation::gelu_tanh;
    add("GELU", kernels::ActivateArgs{.activation = gelu, .x = x, .y = y}, &Ops::activate);
    add("GELU, gradient", kernels::ActivateGradArgs{.activation = gelu, .x = x, .dy = dy, .dx = y},
        &Ops::activate_grad);
  }

  void rows() {
    const std::int64_t rows = options_.batch * options_.tokens, h = config_.hidden;
    const std::int64_t taken = targets();
    const Tensor in = machine_.activations({rows, h}), few = machine_.room({taken, h});
    const Tensor index = drawn(taken, rows, machine_.stream());
    const Tensor out = machine_.room({rows, h});
    add("rows of targets gathered", kernels::GatherRowsArgs{.in = in, .rows = index, .out = few},
        &Ops::gather_rows);
    add("rows of targets scattered", kernels::ScatterRowsArgs{.in = few, .rows = index, .out = out},
        &Ops::scatter_rows);
  }

  void loss() {
    const std::int64_t v = kernels::TokenSpec{}.vocabulary(), count = targets();
    const Tensor logits = machine_.activations({count, machine_.row_width(v)});
    const Tensor labels = drawn(count, v, machine_.stream());
    const Tensor weights = machine_.numbers({count}), totals = machine_.room(DType::f64, {3});
    add("masked-token loss",
        kernels::ClassLossArgs{.logits = logits,
                               .classes = v,
                               .labels = labels,
                               .weights = weights,
                               .state = state_.get(),
                               .totals = totals},
        &Ops::class_loss);
  }

  void optimizer() {
    const std::int64_t size = options_.parameters;
    const Tensor parameters = machine_.numbers({size}, 0.02F);
    const Tensor gradients = machine_.numbers({size}, 1e-3F);
    const Tensor moment1 = machine_.room(DType::f32, {size});
    const Tensor moment2 = machine_.room(DType::f32, {size});
    const bool copies = machine_.ops().weights_type(DType::bf16) == DType::bf16;
    const Tensor weights = copies ? machine_.room(DType::bf16, {size}) : Tensor();
    const kernels::ParameterSlice all{.offset = 0, .size = size, .decay = true};
    add("gradient norm", kernels::SumSquaresArgs{gradients, state_.sum_squares()},
        &Ops::sum_squares);
    add("clip and AdamW",
        kernels::UpdateArgs{.slices = {&all, 1},
                            .parameters = parameters,
                            .gradients = gradients,
                            .moment1 = moment1,
                            .moment2 = moment2,
                            .weights = weights,
                            .state = state_.get()},
        &Ops::update);
  }

  [[nodiscard]] std::int64_t targets() const {
    return options_.batch * kernels::dna_slots({6, 6, options_.tokens}, {});
  }

  MemoryOptions options_;
  model::ModelConfig config_;
  Machine machine_;
  BenchReport report_;
  DeviceState state_;
};

}  // namespace

void add_bench_memory(CLI::App& verb, Verb& chosen) {
  CLI::App* memory = verb.add_subcommand("memory", "Time memory, and the ops that only move it");
  auto options = std::make_shared<MemoryOptions>();
  memory->add_option("--model", options->model, "tiny, small, base or large")
      ->capture_default_str();
  memory->add_option("--batch", options->batch, "Windows in a micro-batch")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  memory->add_option("--tokens", options->tokens, "Tokens in a window, with [CLS] and [SEP]")
      ->capture_default_str()
      ->check(CLI::Range(3, 1 << 16));
  memory->add_option("--dropout", options->dropout, "Of the residual before each LayerNorm")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 0.9));
  memory->add_option("--parameters", options->parameters, "Of the flat block that is updated")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  add_machine_options(*memory, options->machine);
  memory->callback([options, &chosen] {
    chosen = [options](Session&) {
      MemoryBench(*options).run();
      return int{kDone};
    };
  });
}

}  // namespace epi::launch
