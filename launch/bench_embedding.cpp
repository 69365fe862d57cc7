// Embedding and its gradient. The gradient adds rows that tokens share, which is where k-mers are
// unkind: a genome's are far from evenly spread, so rows are drawn both evenly and by Zipf's law.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "bench_machine.hpp"
#include "benches.hpp"
#include "core/philox.hpp"
#include "exit_codes.hpp"
#include "model/model_config.hpp"

namespace epi::launch {
namespace {

using core::Tensor;
using kernels::Ops;

constexpr std::int64_t kTypes = 27;  // of Roadmap's 25 states: missing, the states, masked

struct EmbeddingOptions {
  MachineOptions machine;
  std::string model = "base";
  std::int64_t batch = 8;
  std::int32_t tokens = 512;
};

/// Chances of rows, summed up: even, or of row r as 1 / (r + 1) (Zipf).
std::vector<double> cumulative(std::int64_t rows, bool skewed) {
  std::vector<double> sums;
  double sum = 0.0;
  for (std::int64_t row = 0; row < rows; ++row) {
    sum += skewed ? 1.0 / static_cast<double>(row + 1) : 1.0;
    sums.push_back(sum);
  }
  return sums;
}

enum class Spread : std::uint8_t { uniform, skewed };

Tensor indices(std::int64_t count, std::int64_t rows, Spread spread, std::uint32_t draw) {
  const std::vector<double> sums = cumulative(rows, spread == Spread::skewed);
  Tensor index(core::DType::i32, {count});
  for (std::int64_t i = 0; i < count; ++i) {
    const core::PhiloxBlock words =
        core::philox(2, core::RandomUse::test, {static_cast<std::uint32_t>(i), draw, 0, 0});
    const double at = sums.back() * static_cast<double>(core::uniform_float(words[0]));
    const auto row = std::upper_bound(sums.begin(), sums.end(), at) - sums.begin();
    index.as<std::int32_t>()[i] = static_cast<std::int32_t>(std::min<std::int64_t>(row, rows - 1));
  }
  return index;
}

/// The tables of a model: words, token types, positions.
struct Tables {
  Tensor words, types, positions;
};

void add_spread(const EmbeddingOptions& options, const Tables& tables, Spread spread,
                Machine& machine, BenchReport& report) {
  const std::int64_t h = tables.words.view().shape(1), t = options.tokens;
  const std::int64_t rows = options.batch * t;
  core::Stream& stream = machine.stream();
  constexpr core::DType f32 = core::DType::f32;
  const Tensor words = moved(indices(rows, tables.words.view().shape(0), spread, 0), stream);
  const Tensor types = moved(indices(rows, kTypes, spread, 1), stream);
  const Tensor gamma = machine.numbers({h}), beta = machine.numbers({h});
  const Tensor out = machine.room({options.batch, t, h});
  const Tensor mean = machine.room(f32, {rows}), rstd = machine.room(f32, {rows});
  const std::string part = spread == Spread::uniform ? "uniform rows" : "skewed rows";
  kernels::EmbedArgs forward{.gamma = gamma, .beta = beta, .out = out, .mean = mean, .rstd = rstd};
  forward.tables = {{{tables.words, words}, {tables.types, types}, {tables.positions, {}}, {}}};
  report.add(machine.time(part + ", forward", forward, &Ops::embed), machine.roofs());

  const Tensor dout = machine.activations({options.batch, t, h});
  const Tensor dgamma = machine.room(f32, {h}), dbeta = machine.room(f32, {h});
  const Tensor dwords = machine.room(f32, {tables.words.view().shape(0), h});
  const Tensor dtypes = machine.room(f32, {kTypes, h});
  const Tensor dpositions = machine.room(f32, {tables.positions.view().shape(0), h});
  kernels::EmbedGradArgs gradient{
      .tables = forward.tables, .gamma = gamma, .mean = mean, .rstd = rstd, .dout = dout};
  gradient.drows = {dwords.view(), dtypes.view(), dpositions.view(), {}};
  gradient.dgamma = dgamma;
  gradient.dbeta = dbeta;
  report.add(machine.time(part + ", gradient", gradient, &Ops::embed_grad), machine.roofs());
}

int bench_embedding(const EmbeddingOptions& options) {
  const model::ModelConfig config = model::preset(options.model);
  const std::int64_t h = config.hidden;
  Machine machine(options.machine);
  BenchReport report = machine.report("embedding");
  report.fact("model", options.model);
  report.fact("batch", options.batch);
  report.fact("tokens", options.tokens);
  const std::int64_t positions = std::max(config.positions, options.tokens);
  const Tables tables{machine.numbers({kernels::TokenSpec{}.vocabulary(), h}),
                      machine.numbers({kTypes, h}), machine.numbers({positions, h})};
  for (const Spread spread : {Spread::uniform, Spread::skewed}) {
    add_spread(options, tables, spread, machine, report);
  }
  report.print(machine.roofs(), options.machine.json);
  return kDone;
}

}  // namespace

void add_bench_embedding(CLI::App& verb, Verb& chosen) {
  CLI::App* embedding = verb.add_subcommand("embedding", "Time embedding and its gradient");
  auto options = std::make_shared<EmbeddingOptions>();
  embedding->add_option("--model", options->model, "tiny, small, base or large")
      ->capture_default_str();
  embedding->add_option("--batch", options->batch, "Windows in a micro-batch")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  embedding->add_option("--tokens", options->tokens, "Tokens in a window")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 16));
  add_machine_options(*embedding, options->machine);
  embedding->callback(
      [options, &chosen] { chosen = [options](Session&) { return bench_embedding(*options); }; });
}

}  // namespace epi::launch
