// The matrix products of one encoder layer and of the masked-DNA head, at the sizes and with the
// epilogues of a training step, through the same entries as the step.
//
// A step packs its weights anew at each call and so does this; what the packing costs is part of
// the figure.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "bench_machine.hpp"
#include "benches.hpp"
#include "exit_codes.hpp"
#include "model/model_config.hpp"

namespace epi::launch {
namespace {

using core::Tensor;
using kernels::Activation;
using kernels::Ops;

struct GemmOptions {
  MachineOptions machine;
  std::string model = "base";
  std::int64_t batch = 2;
  std::int32_t tokens = 512;
};

/// y [m, n] = x [m, k] w^T; `after`: y goes through the activation, so its gradient does too.
struct Product {
  const char* name;
  std::int64_t m, n, k;
  Activation after = Activation::none;
  Activation before = Activation::none;  ///< x = before(pre-activation), kept as the latter
};

/// Weights of the size that layers begin with, so that sums are of the size of activations.
constexpr float kWeight = 0.02F;

void add_forward(const Product& p, Machine& machine, BenchReport& report) {
  const Tensor x = machine.activations({p.m, p.k});
  const Tensor w = machine.weights({p.n, p.k}, kWeight), b = machine.numbers({p.n}, kWeight);
  const Tensor y = machine.room({p.m, machine.row_width(p.n)});
  const Tensor pre = p.after == Activation::none ? Tensor() : machine.room({p.m, p.n});
  const kernels::LinearArgs args{.x = x, .w = w, .b = b, .epilogue = p.after, .y = y, .pre = pre};
  report.add(machine.time(fmt::format("{}, forward", p.name), args, &Ops::linear), machine.roofs());
}

void add_input_gradient(const Product& p, Machine& machine, BenchReport& report) {
  const Tensor dy = machine.activations({p.m, machine.row_width(p.n)}),
               w = machine.weights({p.n, p.k}, kWeight);
  const Tensor dx = machine.room({p.m, p.k});
  const Tensor pre = p.before == Activation::none ? Tensor() : machine.activations({p.m, p.k});
  const kernels::LinearGradInputArgs args{
      .dy = dy, .w = w, .epilogue = p.before, .pre = pre, .dx = dx};
  report.add(
      machine.time(fmt::format("{}, gradient of input", p.name), args, &Ops::linear_grad_input),
      machine.roofs());
}

void add_weight_gradient(const Product& p, Machine& machine, BenchReport& report) {
  const Tensor dy = machine.activations({p.m, machine.row_width(p.n)}),
               x = machine.activations({p.m, p.k});
  const Tensor dw = machine.room(core::DType::f32, {p.n, p.k});
  const Tensor db = machine.room(core::DType::f32, {p.n});
  // Where it costs a pass over memory, models keep what the activation gave instead.
  const Activation before = machine.ops().activates_operands() ? p.before : Activation::none;
  const kernels::LinearGradWeightArgs args{
      .dy = dy, .x = x, .activation = before, .dw = dw, .db = db};
  report.add(
      machine.time(fmt::format("{}, gradient of weight", p.name), args, &Ops::linear_grad_weight),
      machine.roofs());
}

int bench_gemm(const GemmOptions& options) {
  const model::ModelConfig config = model::preset(options.model);
  const std::int64_t rows = options.batch * options.tokens;
  const std::int64_t h = config.hidden, wide = config.intermediate;
  const kernels::TokenSpec tokens{6, 6, options.tokens};
  const std::int64_t targets = options.batch * kernels::dna_slots(tokens, {});
  Machine machine(options.machine);
  BenchReport report = machine.report("gemm");
  report.fact("model", options.model);
  report.fact("batch", options.batch);
  report.fact("tokens", options.tokens);
  for (const Product& product :
       {Product{"query, key, value", rows, 3 * h, h}, Product{"attention output", rows, h, h},
        Product{"feed-forward up", rows, wide, h, Activation::gelu_tanh},
        Product{"feed-forward down", rows, h, wide, Activation::none, Activation::gelu_tanh},
        Product{"vocabulary", targets, tokens.vocabulary(), h}}) {
    add_forward(product, machine, report);
    add_input_gradient(product, machine, report);
    add_weight_gradient(product, machine, report);
  }
  report.print(machine.roofs(), options.machine.json);
  return kDone;
}

}  // namespace

void add_bench_gemm(CLI::App& verb, Verb& chosen) {
  CLI::App* gemm = verb.add_subcommand("gemm", "Time the matrix products of a layer");
  auto options = std::make_shared<GemmOptions>();
  gemm->add_option("--model", options->model, "tiny, small, base or large")->capture_default_str();
  gemm->add_option("--batch", options->batch, "Windows in a micro-batch")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  gemm->add_option("--tokens", options->tokens, "Tokens in a window, with [CLS] and [SEP]")
      ->capture_default_str()
      ->check(CLI::Range(3, 1 << 16));
  add_machine_options(*gemm, options->machine);
  gemm->callback(
      [options, &chosen] { chosen = [options](Session&) { return bench_gemm(*options); }; });
}

}  // namespace epi::launch
