// The verbs, one file each. Every function adds its subcommand with its options and, when that
// subcommand is given, leaves in `chosen` what to do.
#pragma once

#include "session.hpp"

namespace CLI {
class App;
}

namespace epi::launch {

void add_prepare(CLI::App& app, Verb& chosen);
void add_inspect(CLI::App& app, Verb& chosen);
void add_verify(CLI::App& app, Verb& chosen);
void add_pretrain(CLI::App& app, Verb& chosen);
void add_evaluate(CLI::App& app, Verb& chosen);
void add_bench(CLI::App& app, Verb& chosen);

}  // namespace epi::launch
