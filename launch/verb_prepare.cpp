// `epitrain prepare`: FASTA and chromatin states to a store, shared by any number of ranks.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <optional>
#include <string>

#include "data/prepare.hpp"
#include "exit_codes.hpp"
#include "verbs.hpp"

namespace epi::launch {
namespace {

struct Options {
  data::PrepareOptions prepare;
  std::string blacklist;
};

/// Every step is local, and all ranks agree on its outcome before any of them begins the next.
data::PrepareReport run(const data::PrepareOptions& options, Session& session) {
  dist::Communicator& world = session.world();
  std::optional<data::Preparation> preparation;
  data::PrepareReport report;
  const int part = world.rank();
  const int parts = world.size();
  dist::agree(world, [&] { preparation.emplace(options, session.log()); });
  dist::agree(world, [&] { preparation->read_inputs(part, parts); });
  dist::agree(world, [&] { preparation->plan(); });
  dist::agree(world, [&] { preparation->write_shards(part, parts); });
  dist::agree(world, [&] {
    if (part == 0) report = preparation->finish();
  });
  return report;
}

int prepare(const Options& options, Session& session) {
  data::PrepareOptions complete = options.prepare;
  if (!options.blacklist.empty()) complete.blacklist = options.blacklist;
  complete.command = session.command();
  const data::PrepareReport report = run(complete, session);
  if (session.speaks()) {
    for (const std::string& line : report.warnings) session.log().warn("{}", line);
    for (const std::string& line : report.summary) std::printf("%s\n", line.c_str());
  }
  return kDone;
}

void add_held_out(CLI::App& verb, data::PrepareOptions& options) {
  verb.add_option("--valid", options.valid, "Held out for validation: CONTIG,... or a BED file");
  verb.add_option("--test", options.test, "Held out for the final test: CONTIG,... or a BED file");
  verb.add_option("--valid-cells", options.valid_cells, "Cell types held out for validation");
  verb.add_option("--test-cells", options.test_cells, "Cell types held out for the final test");
  verb.add_option("--guard", options.guard_bp, "Bases kept free around held-out regions")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
}

}  // namespace

void add_prepare(CLI::App& app, Verb& chosen) {
  CLI::App* verb = app.add_subcommand(
      "prepare", "Make a store from FASTA and chromatin states (also with mpirun)");
  auto options = std::make_shared<Options>();
  data::PrepareOptions& o = options->prepare;
  verb->add_option("--genome", o.genomes, "FASTA files, plain, gzip or bgzip")->required();
  verb->add_option("--states", o.sheet, "Sample sheet: cell, name, path; tab separated")
      ->required();
  verb->add_option("--out", o.out, "Folder of the new store")->required();
  verb->add_option("--contigs", o.contigs, "Contigs to store, comma separated; default: all");
  add_held_out(*verb, o);
  verb->add_flag("--alias-chr", o.alias_chr, "Take chr22 and 22 for the same contig");
  verb->add_option("--blacklist", options->blacklist, "BED of bases that no window may hold");
  verb->add_option("--shard", o.shard_bp, "Longest shard in bases")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  verb->callback([options, &chosen] {
    chosen = [options](Session& session) { return prepare(*options, session); };
  });
}

}  // namespace epi::launch
