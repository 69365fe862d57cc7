// `epitrain bench`: what parts of the program reach here, beside what this machine could give.
#include <CLI/CLI.hpp>

#include "benches.hpp"

namespace epi::launch {

void add_bench(CLI::App& app, Verb& chosen) {
  CLI::App* verb = app.add_subcommand("bench", "Measure this machine");
  verb->require_subcommand(1);
  add_bench_step(*verb, chosen);
  add_bench_gemm(*verb, chosen);
  add_bench_attention(*verb, chosen);
  add_bench_embedding(*verb, chosen);
  add_bench_memory(*verb, chosen);
  add_bench_optimizer(*verb, chosen);
  add_bench_allreduce(*verb, chosen);
  add_bench_exchange(*verb, chosen);
  add_bench_prepare(*verb, chosen);
}

}  // namespace epi::launch
