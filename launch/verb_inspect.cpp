// `epitrain inspect`: what a store holds.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <string>
#include <vector>

#include "data/inspect.hpp"
#include "data/store.hpp"
#include "exit_codes.hpp"
#include "verbs.hpp"

namespace epi::launch {
namespace {

struct Options {
  std::string store;
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

int inspect(const Options& options) {
  std::vector<data::WindowShape> shapes;
  for (const std::string& text : options.tokens) shapes.push_back(shape_from(text));
  const data::Store store = data::Store::open(options.store);
  const data::Inspection inspection = data::inspect(store, shapes);
  for (const std::string& line : data::describe(inspection)) std::printf("%s\n", line.c_str());
  if (inspection.shared_bp == 0) return kDone;
  std::fprintf(stderr, "epitrain: error: %s: %lld bases lie in two splits: prepare it anew\n",
               options.store.c_str(), static_cast<long long>(inspection.shared_bp));
  return kBadData;
}

}  // namespace

void add_inspect(CLI::App& app, Verb& chosen) {
  CLI::App* verb =
      app.add_subcommand("inspect", "Show a store: contigs, cell types, splits, windows");
  auto options = std::make_shared<Options>();
  verb->add_option("store", options->store, "Folder of the store")->required();
  verb->add_option("--tokens", options->tokens, "Windows to count, as K/STRIDE/LENGTH")
      ->capture_default_str();
  verb->callback([options, &chosen] {
    chosen = [options](Session& session) {
      return session.speaker_only([&] { return inspect(*options); });
    };
  });
}

}  // namespace epi::launch
