// `epitrain leak`: what a model has seen of that on which it is to be judged.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <string>
#include <vector>

#include "data/leak.hpp"
#include "exit_codes.hpp"
#include "train/training_set.hpp"
#include "verbs.hpp"

namespace epi::launch {
namespace {

struct Options {
  std::string trained, against, alias, cells, splits = "train,valid,test";
  bool alias_chr = false, json = false;
};

/// "A=E003,B=E118".
std::map<std::string, std::string> cells_from(const std::string& text) {
  std::map<std::string, std::string> cells;
  for (const std::string& item : data::split_list(text, "--cells")) {
    const std::size_t equals = item.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == item.size()) {
      throw core::UsageError("--cells " + item + ": expected NAME=CELL such as H1-hESC=E003");
    }
    if (!cells.emplace(item.substr(0, equals), item.substr(equals + 1)).second) {
      throw core::UsageError("--cells " + item + ": its name is there twice");
    }
  }
  return cells;
}

std::vector<data::Split> splits_from(const std::string& text) {
  std::vector<data::Split> splits;
  for (const std::string& item : data::split_list(text, "--splits")) {
    if (item == "train") {
      splits.push_back(data::Split::train);
    } else if (item == "valid") {
      splits.push_back(data::Split::valid);
    } else if (item == "test") {
      splits.push_back(data::Split::test);
    } else {
      throw core::UsageError("--splits " + item + ": expected train, valid or test");
    }
  }
  return splits;
}

int leak(const Options& options) {
  data::LeakOptions how;
  how.prefix = options.alias_chr ? data::ChrPrefix::optional : data::ChrPrefix::matters;
  how.aliases = data::alias_table_of(options.alias);
  how.cells = cells_from(options.cells);
  const auto splits = splits_from(options.splits);
  const data::LeakReport report = data::find_leaks(
      train::trained_on(options.trained), data::read_against(options.against, splits), how);
  if (options.json) {
    std::printf("%s", data::to_json(report).c_str());
  } else {
    for (const std::string& line : data::describe(report)) std::printf("%s\n", line.c_str());
  }
  return report.shares_bases() || report.undecided() ? kBadData : kDone;
}

}  // namespace

void add_leak(CLI::App& app, Verb& chosen) {
  CLI::App* verb = app.add_subcommand(
      "leak", "Compare a training set with data to judge by: shared bases and cell types");
  auto options = std::make_shared<Options>();
  verb->add_option("trained", options->trained, "A run, a checkpoint or a store")->required();
  verb->add_option("against", options->against, "A store, a BED file or a file of binding labels")
      ->required();
  verb->add_flag("--alias-chr", options->alias_chr, "chr22 and 22 are the same contig");
  verb->add_option("--alias", options->alias, "Names of contigs: hg19, hg38 or a table");
  verb->add_option("--cells", options->cells,
                   "Cell types of AGAINST under other names: NAME=CELL,...");
  verb->add_option("--splits", options->splits, "Which regions count when AGAINST is a store")
      ->capture_default_str();
  verb->add_flag("--json", options->json, "Print JSON");
  verb->callback([options, &chosen] {
    chosen = [options](Session& session) {
      return session.speaker_only([&] { return leak(*options); });
    };
  });
}

}  // namespace epi::launch
