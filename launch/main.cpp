// The program `epitrain`: picks the verb, turns exceptions into one message and an exit code.
#include <CLI/CLI.hpp>

#include <csignal>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>

#include "core/error.hpp"
#include "core/version.hpp"
#include "dist/communicator.hpp"
#include "exit_codes.hpp"
#include "session.hpp"
#include "verbs.hpp"

namespace epi::launch {
namespace {

int print_version(bool json) {
  if (json) {
    const nlohmann::ordered_json about = {
        {"program", "epitrain"}, {"version", core::version_text()}, {"build", core::build_text()}};
    std::printf("%s\n", about.dump(2).c_str());
  } else {
    std::printf("epitrain %s\n%s\n", core::version_text(), core::build_text());
  }
  return kDone;
}

/// Help goes to stdout and is no failure; anything else is one line and exit code 64.
int report_parse_error(const CLI::App& app, const CLI::ParseError& error, Session& session) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    return session.speaks() ? app.exit(error) : int{kDone};
  }
  // Ranks may have unlike command lines: those that understood theirs agree next, and hear of it.
  dist::agree(session.world(), [&] {
    throw core::UsageError(std::string(error.what()) + " (see epitrain --help)");
  });
  return kUsage;
}

int run(int argc, char** argv, Session& session) {
  CLI::App app("Pre-training of epigenomic language models", "epitrain");
  bool version = false;
  bool json = false;
  Verb chosen;
  app.add_flag("--version", version, "Print version and build");
  app.add_flag("--json", json, "With --version: as JSON");
  app.require_subcommand(0, 1);
  app.footer(
      "Exit codes: 0 done, 64 usage, 65 bad data, 66 missing input, 75 stopped and resumable,\n"
      "78 bad configuration; all of them are in docs/exit-codes.md.");
  add_sheet(app, chosen);
  add_prepare(app, chosen);
  add_inspect(app, chosen);
  add_verify(app, chosen);
  add_pretrain(app, chosen);
  add_sweep(app, chosen);
  add_evaluate(app, chosen);
  add_leak(app, chosen);
  add_bench(app, chosen);
  add_scale(app, chosen);
  try {
    app.parse(argc, argv);
    if (!version && !chosen) throw CLI::RequiredError("A verb");
  } catch (const CLI::ParseError& error) {
    return report_parse_error(app, error, session);
  }
  return version ? print_version(json) : chosen(session);
}

}  // namespace
}  // namespace epi::launch

int main(int argc, char** argv) {
  // A limit on the size of files is an error of the write that meets it, as a full disk is.
  (void)std::signal(SIGXFSZ, SIG_IGN);
  epi::launch::Session session(argc, argv);
  try {
    const int code = epi::launch::run(argc, argv, session);
    session.finish_output();
    return code;
  } catch (...) {
    return session.report(std::current_exception());
  }
}
