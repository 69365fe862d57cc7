// `epitrain verify`: is a store what its manifest says.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <string>

#include "data/verify.hpp"
#include "exit_codes.hpp"
#include "verbs.hpp"

namespace epi::launch {
namespace {

struct Options {
  std::string store;
  bool deep = false;
};

int verify(const Options& options) {
  const data::VerifyReport report = data::verify(options.store, options.deep);
  for (const std::string& problem : report.problems) {
    std::fprintf(stderr, "epitrain: error: %s\n", problem.c_str());
  }
  if (!report.ok()) return kBadData;
  std::printf("%s: whole: %lld shards, %.1f MiB, %s\n", options.store.c_str(),
              static_cast<long long>(report.num_shards),
              static_cast<double>(report.bytes) / (1024.0 * 1024.0),
              options.deep ? "every byte read" : "sizes and headers checked (--deep reads all)");
  return kDone;
}

}  // namespace

void add_verify(CLI::App& app, Verb& chosen) {
  CLI::App* verb = app.add_subcommand("verify", "Check a store against its manifest");
  auto options = std::make_shared<Options>();
  verb->add_option("store", options->store, "Folder of the store")->required();
  verb->add_flag("--deep", options->deep, "Read every byte and compare all digests");
  verb->callback([options, &chosen] {
    chosen = [options](Session& session) {
      return session.speaker_only([&] { return verify(*options); });
    };
  });
}

}  // namespace epi::launch
