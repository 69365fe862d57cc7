// The subcommands of `epitrain bench`, one file each. As verbs.hpp: every function adds its
// subcommand with its options and leaves in `chosen` what to do when that is given.
#pragma once

#include "verbs.hpp"

namespace epi::launch {

/// A whole training step, part by part, and op by op with --profile.
void add_bench_step(CLI::App& verb, Verb& chosen);
/// The matrix products of a layer and of the masked-DNA head.
void add_bench_gemm(CLI::App& verb, Verb& chosen);
/// attend and attend_grad over lengths and head sizes.
void add_bench_attention(CLI::App& verb, Verb& chosen);
/// embed and embed_grad, on rows drawn evenly and unevenly.
void add_bench_embedding(CLI::App& verb, Verb& chosen);
/// Memory, and the ops that only move it.
void add_bench_memory(CLI::App& verb, Verb& chosen);
/// sum_squares and update over the flat parameter block.
void add_bench_optimizer(CLI::App& verb, Verb& chosen);
/// The sum of gradients over ranks that are threads of this process, and by NCCL.
void add_bench_allreduce(CLI::App& verb, Verb& chosen);
/// The sum of gradients over ranks, under mpirun.
void add_bench_exchange(CLI::App& verb, Verb& chosen);
/// The making of a store.
void add_bench_prepare(CLI::App& verb, Verb& chosen);

}  // namespace epi::launch
