// `epitrain sheet`: the sample sheet of Roadmap's epigenomes from a folder of downloaded files.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/files.hpp"
#include "data/path_status.hpp"
#include "data/roadmap_folder.hpp"
#include "exit_codes.hpp"
#include "verbs.hpp"

namespace epi::launch {
namespace {

struct Options {
  std::filesystem::path folder;
  std::string model;
  std::filesystem::path out;
  std::string missing = "skip";
  bool force = false;
};

const std::map<std::string, data::MissingCells>& missing_choices() {
  static const std::map<std::string, data::MissingCells> kChoices = {
      {"skip", data::MissingCells::skip},
      {"list", data::MissingCells::list},
      {"error", data::MissingCells::error}};
  return kChoices;
}

std::vector<std::string> names_of_sets() {
  std::vector<std::string> names;
  for (const data::SegmentationSet set : data::segmentation_sets()) names.push_back(text_of(set));
  return names;
}

/// The sheet alone goes to stdout, so that it can be piped; all else is said on stderr.
int sheet(const Options& options, const core::Log& log) {
  if (!options.out.empty() && !options.force && exists(data::status_of(options.out))) {
    throw core::UsageError(options.out.string() + ": is there already; --force replaces it");
  }
  const data::RoadmapFolder found =
      data::find_segmentations(options.folder, data::segmentation_set(options.model));
  const std::string text = data::sheet_of(found, options.folder, options.out.parent_path(),
                                          missing_choices().at(options.missing));
  for (const std::string& line : data::summary_of(found)) log.info("{}", line);
  for (const std::string& line : found.notes) log.warn("{}", line);
  if (options.out.empty()) {
    std::fputs(text.c_str(), stdout);
  } else {
    core::write_durably(options.out, text);
  }
  return kDone;
}

}  // namespace

void add_sheet(CLI::App& app, Verb& chosen) {
  CLI::App* verb =
      app.add_subcommand("sheet", "Write the sample sheet of Roadmap's epigenomes from a folder");
  auto options = std::make_shared<Options>();
  verb->add_option("folder", options->folder, "Folder of downloaded segmentations")->required();
  verb->add_option("--model", options->model, "Which set, where the folder has several")
      ->check(CLI::IsMember(names_of_sets()));
  verb->add_option("--out", options->out,
                   "The sheet's file; default: stdout, with paths from the current folder");
  verb->add_option("--missing", options->missing, "Epigenomes that the folder lacks")
      ->check(CLI::IsMember({"skip", "list", "error"}))
      ->capture_default_str();
  verb->add_flag("--force", options->force, "Replace the file of --out");
  verb->callback([options, &chosen] {
    chosen = [options](Session& session) {
      return session.speaker_only([&] { return sheet(*options, session.log()); });
    };
  });
}

}  // namespace epi::launch
