// `epitrain prepare`: FASTA and chromatin states to a store, shared by any number of ranks.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <optional>
#include <string>

#include "data/preflight.hpp"
#include "data/prepare.hpp"
#include "exit_codes.hpp"
#include "train/threads.hpp"
#include "verbs.hpp"

namespace epi::launch {
namespace {

struct Options {
  data::PrepareOptions prepare;
  bool dry_run = false;
};

/// Every step is local, and all ranks agree on its outcome before any of them begins the next.
data::PrepareReport run(const data::PrepareOptions& options, Session& session) {
  dist::Communicator& world = session.world();
  std::optional<data::Preparation> preparation;
  data::PrepareReport report;
  const int part = world.rank();
  const int parts = world.size();
  dist::agree(world, [&] { preparation.emplace(options, session.log()); });
  dist::agree(world, [&] { preparation->claim(part); });
  dist::agree(world, [&] { preparation->read_inputs(part, parts); });
  dist::agree(world, [&] { preparation->plan(); });
  dist::agree(world, [&] { preparation->write_shards(part, parts); });
  dist::agree(world, [&] {
    if (part == 0) report = preparation->finish();
  });
  return report;
}

int print_plan(const data::PrepareOptions& options) {
  for (const std::string& line : data::dry_run(options)) std::printf("%s\n", line.c_str());
  return kDone;
}

int prepare(const Options& options, Session& session) {
  if (options.dry_run) {
    return session.speaker_only([&options] { return print_plan(options.prepare); });
  }
  data::PrepareOptions complete = options.prepare;
  complete.command = session.command();
  complete.threads = train::threads_per_rank(complete.threads, session.world(), session.log());
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

void add_names(CLI::App& verb, data::PrepareOptions& options) {
  verb.add_option("--contigs", options.contigs, "Contigs to store, comma separated; default: all");
  verb.add_option("--alias", options.alias, "hg19, hg38 or a table of names of the same contigs");
  verb.add_flag("--alias-chr", options.alias_chr, "Take chr22 and 22 for the same contig");
  verb.add_option("--sizes", options.sizes, "chrom.sizes that the genome must agree with");
}

void add_bases(CLI::App& verb, data::PrepareOptions& options) {
  verb.add_option("--blacklist", options.blacklist, "BED of bases that no window may hold");
  verb.add_option("--regions", options.regions, "BED: windows lie in these regions only");
  verb.add_option("--flank", options.flank_bp, "Bases added to both sides of each of --regions")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
}

void add_states(CLI::App& verb, data::PrepareOptions& options) {
  verb.add_option("--state-names", options.state_names, "Table: number, label, colour of states");
  verb.add_option("--state-map", options.state_map, "Table: states to those of another model");
  verb.add_option("--bin", options.states.line_bin_bp, "Bin of files with one state per line")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  data::BigFileLimits& big = options.states.big;
  verb.add_option("--big-memory", big.memory_mib, "MiB that reading one bigBed may take")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  verb.add_option("--big-seconds", big.seconds, "Seconds that reading one bigBed may take")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
}

}  // namespace

void add_prepare(CLI::App& app, Verb& chosen) {
  CLI::App* verb = app.add_subcommand(
      "prepare", "Make a store from FASTA and chromatin states (also with mpirun)");
  auto options = std::make_shared<Options>();
  data::PrepareOptions& o = options->prepare;
  o.threads = 0;
  verb->add_option("--genome", o.genomes, "FASTA (plain, gzip, bgzip) or 2bit files")->required();
  verb->add_option("--states", o.sheet, "Sample sheet: cell, name, path, group, weight")
      ->required();
  verb->add_option("--out", o.out, "Folder of the new store")->required();
  add_names(*verb, o);
  add_held_out(*verb, o);
  add_bases(*verb, o);
  add_states(*verb, o);
  verb->add_option("--shard", o.shard_bp, "Longest shard in bases")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  verb->add_option("--threads", o.threads, "Of each rank; 0: its share of the cores")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  verb->add_flag("--dry-run", options->dry_run, "Check and say what would be done; write nothing");
  verb->callback([options, &chosen] {
    chosen = [options](Session& session) { return prepare(*options, session); };
  });
}

}  // namespace epi::launch
