// The verbs, one file each. Every function adds its subcommand with its options and, when that
// subcommand is given, leaves in `chosen` what to do.
#pragma once

#include "session.hpp"

namespace CLI {
class App;
}

namespace epi::launch {

/// The sample sheet of a folder of Roadmap's files.
void add_sheet(CLI::App& app, Verb& chosen);
/// Text to store.
void add_prepare(CLI::App& app, Verb& chosen);
/// What a store holds.
void add_inspect(CLI::App& app, Verb& chosen);
/// Whether a store is whole.
void add_verify(CLI::App& app, Verb& chosen);
/// Trains a model, or resumes a run.
void add_pretrain(CLI::App& app, Verb& chosen);
/// Trains the runs of a grid, one per task of a job array, and collects them.
void add_sweep(CLI::App& app, Verb& chosen);
/// Scores a checkpoint beside the baselines.
void add_evaluate(CLI::App& app, Verb& chosen);
/// What a training set shares with data to judge by.
void add_leak(CLI::App& app, Verb& chosen);
/// How fast a training step is on this machine.
void add_bench(CLI::App& app, Verb& chosen);
/// How training scales over ranks, measured and predicted.
void add_scale(CLI::App& app, Verb& chosen);

}  // namespace epi::launch
