// `epitrain prepare`: FASTA and chromatin states to a store, shared by any number of ranks.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <optional>
#include <sstream>
#include <string>

#include "core/error.hpp"
#include "data/preflight.hpp"
#include "data/prepare.hpp"
#include "exit_codes.hpp"
#include "train/threads.hpp"
#include "verbs.hpp"

namespace epi::launch {
namespace {

struct Options {
  data::PrepareOptions prepare;
  std::string part;
  bool dry_run = false;
};

/// Which of how many tasks of a job array this is, from 0; alone it is the only one.
struct Share {
  int index = 0, count = 1;
};

Share share_named(const std::string& text) {
  Share share;
  char slash = 0;
  std::istringstream words(text);
  if (words >> share.index >> slash >> share.count && slash == '/' && words.peek() == EOF &&
      share.index >= 1 && share.index <= share.count && share.count <= 1'000'000) {
    return {share.index - 1, share.count};
  }
  throw core::UsageError("prepare --part " + text +
                         ": expected I/N, as in 1/16 to 16/16 for sixteen tasks");
}

/// Every step is local, and all ranks agree on its outcome before any of them begins the next. Of a
/// share, only the inputs are read: the same command without --part finds them and does the rest.
data::PrepareReport run(const data::PrepareOptions& options, const std::optional<Share>& share,
                        Session& session) {
  dist::Communicator& world = session.world();
  std::optional<data::Preparation> preparation;
  data::PrepareReport report;
  const int part = world.rank();
  const int parts = world.size();
  dist::agree(world, [&] { preparation.emplace(options, session.log()); });
  if (share) {
    dist::agree(world, [&] {
      preparation->read_inputs(share->index * parts + part, share->count * parts);
    });
    report.summary = {"inputs of part " + std::to_string(share->index + 1) + " of " +
                      std::to_string(share->count) + " are read"};
    return report;
  }
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
  const std::optional<Share> share =
      options.part.empty() ? std::nullopt : std::optional(share_named(options.part));
  const data::PrepareReport report = run(complete, share, session);
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
  verb->add_option("--part", options->part,
                   "I/N: only read the inputs that fall to task I of N, for the same command "
                   "without --part to find");
  verb->add_flag("--dry-run", options->dry_run, "Check and say what would be done; write nothing");
  verb->callback([options, &chosen] {
    chosen = [options](Session& session) { return prepare(*options, session); };
  });
}

}  // namespace epi::launch
