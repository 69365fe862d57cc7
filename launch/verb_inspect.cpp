// `epitrain inspect`: what a store holds, or any file that epitrain reads.
#include <CLI/CLI.hpp>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "data/inspect.hpp"
#include "data/inspect_file.hpp"
#include "data/path_status.hpp"
#include "data/store.hpp"
#include "exit_codes.hpp"
#include "verbs.hpp"

namespace epi::launch {
namespace {

struct Options {
  std::string path, store, alias;
  bool alias_chr = false;
  std::int64_t bin_bp = 0;
  std::vector<std::string> tokens = {"6/6/512", "6/1/512", "1/1/512"};
};

/// "k/stride/length".
data::WindowShape shape_from(const std::string& text) {
  data::WindowShape shape;
  int used = 0;
  const int found =
      std::sscanf(text.c_str(), "%d/%d/%d%n", &shape.k, &shape.stride, &shape.length, &used);
  const bool whole = found == 3 && static_cast<std::size_t>(used) == text.size();
  if (!whole || shape.k < 1 || shape.stride < 1 || shape.stride > shape.k || shape.length < 3) {
    throw core::UsageError("--tokens " + text + ": expected K/STRIDE/LENGTH such as 6/6/512");
  }
  return shape;
}

int inspect_store(const Options& options, const std::vector<data::WindowShape>& shapes) {
  const data::Store store = data::Store::open(options.path);
  const data::Inspection inspection = data::inspect(store, shapes);
  for (const std::string& line : data::describe(inspection)) std::printf("%s\n", line.c_str());
  return kDone;
}

/// The kind is printed before the file is read: an error then says of what it is one.
int inspect_file(const Options& options) {
  std::optional<data::Store> store;
  std::optional<data::FileComparison> comparison;
  if (!options.store.empty()) {
    store.emplace(data::Store::open(options.store));
    const auto prefix = options.alias_chr ? data::ChrPrefix::optional : data::ChrPrefix::matters;
    comparison = {&*store, prefix, data::alias_table_of(options.alias)};
  }
  const data::FileKind kind = data::kind_of(options.path);
  std::printf("%s: %s\n", options.path.c_str(), std::string(data::name_of(kind)).c_str());
  std::fflush(stdout);
  const data::FileReport report =
      data::inspect_file(options.path, kind, comparison, options.bin_bp);
  for (const std::string& line : data::describe(report)) std::printf("%s\n", line.c_str());
  return kDone;
}

int inspect(const Options& options) {
  std::vector<data::WindowShape> shapes;
  for (const std::string& text : options.tokens) shapes.push_back(shape_from(text));
  const auto status = data::status_of(options.path);
  const bool is_file = std::filesystem::exists(status) && !std::filesystem::is_directory(status);
  if (is_file) return inspect_file(options);
  if (!options.store.empty()) {
    throw core::UsageError("--store compares a file with a store; for folders see epitrain leak");
  }
  return inspect_store(options, shapes);
}

}  // namespace

void add_inspect(CLI::App& app, Verb& chosen) {
  CLI::App* verb = app.add_subcommand("inspect", "Show what a store or a file holds");
  auto options = std::make_shared<Options>();
  verb->add_option("path", options->path, "Folder of a store, or any file that epitrain reads")
      ->required();
  verb->add_option("--store", options->store, "Compare the file with this store");
  verb->add_flag("--alias-chr", options->alias_chr, "chr22 and 22 are the same contig");
  verb->add_option("--alias", options->alias, "Names of contigs: hg19, hg38 or a table");
  verb->add_option("--bin", options->bin_bp,
                   "Bases per line of files with one state per line; default: the store's, or 200")
      ->check(CLI::PositiveNumber);
  verb->add_option("--tokens", options->tokens, "Windows to count, as K/STRIDE/LENGTH")
      ->capture_default_str();
  verb->callback([options, &chosen] {
    chosen = [options](Session& session) {
      return session.speaker_only([&] { return inspect(*options); });
    };
  });
}

}  // namespace epi::launch
