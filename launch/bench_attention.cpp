// Attention and its gradient over sequence lengths and head sizes, at the width of the base model:
// 768 elements are 24, 12 or 6 heads of 32, 64 or 128.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <vector>

#include "bench_machine.hpp"
#include "benches.hpp"
#include "core/error.hpp"
#include "exit_codes.hpp"

namespace epi::launch {
namespace {

using core::Tensor;
using kernels::Ops;

struct AttentionOptions {
  MachineOptions machine;
  std::int64_t hidden = 768;
  double dropout = 0.0;
  std::int64_t rows = 4096;  ///< tokens of a call, in as many windows as that makes, at least one
  std::vector<std::int64_t> tokens{128, 256, 512, 1024, 2048, 4096, 8192};
  std::vector<std::int64_t> head{32, 64, 128};
};

void add_case(std::int64_t tokens, std::int64_t head, const AttentionOptions& options,
              Machine& machine, BenchReport& report) {
  const std::int64_t h = options.hidden, heads = h / head;
  const std::int64_t b = std::max<std::int64_t>(1, options.rows / tokens);
  const Tensor qkv = machine.activations({b, tokens, 3 * h}), out = machine.room({b, tokens, h});
  const Tensor lse = machine.room(core::DType::f32, {b, heads, tokens});
  const std::string part = fmt::format("T {}, D {}", tokens, head);
  const DeviceState state({.seed = 1}, machine.stream());
  const kernels::Dropout dropout{.probability = static_cast<float>(options.dropout)};
  const kernels::AttendArgs forward{.qkv = qkv,
                                    .heads = static_cast<std::int32_t>(heads),
                                    .dropout = dropout,
                                    .state = state.get(),
                                    .out = out,
                                    .lse = lse};
  report.add(machine.time(part + ", forward", forward, &Ops::attend), machine.roofs());
  const Tensor dout = machine.activations({b, tokens, h}), dqkv = machine.room({b, tokens, 3 * h});
  const kernels::AttendGradArgs gradient{.qkv = qkv,
                                         .heads = static_cast<std::int32_t>(heads),
                                         .dropout = dropout,
                                         .state = state.get(),
                                         .out = out,
                                         .lse = lse,
                                         .dout = dout,
                                         .dqkv = dqkv};
  report.add(machine.time(part + ", gradient", gradient, &Ops::attend_grad), machine.roofs());
}

int bench_attention(const AttentionOptions& options) {
  for (const std::int64_t head : options.head) {
    if (options.hidden % head == 0) continue;
    throw core::UsageError(fmt::format("--head {}: heads of this size don't divide --hidden {}",
                                       head, options.hidden));
  }
  Machine machine(options.machine);
  BenchReport report = machine.report("attention");
  report.fact("hidden", options.hidden);
  report.fact("dropout", options.dropout);
  for (const std::int64_t head : options.head) {
    for (const std::int64_t tokens : options.tokens) {
      add_case(tokens, head, options, machine, report);
    }
  }
  report.print(machine.roofs(), options.machine.json);
  return kDone;
}

}  // namespace

void add_bench_attention(CLI::App& verb, Verb& chosen) {
  CLI::App* attention = verb.add_subcommand("attention", "Time attention over lengths");
  auto options = std::make_shared<AttentionOptions>();
  attention->add_option("--tokens", options->tokens, "Tokens in a window; several with commas")
      ->capture_default_str()
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  attention->add_option("--head", options->head, "Size of a head; several with commas")
      ->capture_default_str()
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  attention->add_option("--hidden", options->hidden, "Width of all heads together")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  attention->add_option("--rows", options->rows, "Tokens of a call: as many windows as that makes")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  attention->add_option("--dropout", options->dropout, "Share of probabilities that are dropped")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 0.9));
  add_machine_options(*attention, options->machine);
  attention->callback(
      [options, &chosen] { chosen = [options](Session&) { return bench_attention(*options); }; });
}

}  // namespace epi::launch
