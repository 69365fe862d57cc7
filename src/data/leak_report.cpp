// The two forms in which a leak report is read: by people and by scripts.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/leak.hpp"

namespace epi::data {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kTrain = static_cast<int>(Split::train);
constexpr int kValid = static_cast<int>(Split::valid);
constexpr int kTest = static_cast<int>(Split::test);

std::string line_of(const LeakContig& contig) {
  std::string line = fmt::format("{:<12} {:<12} {:>13} {:>13} {:>13} {:>13} {:>11} {:>11}",
                                 contig.name, contig.trained_name, contig.bases,
                                 contig.shared_bp[kTrain], contig.shared_bp[kValid],
                                 contig.shared_bp[kTest], contig.near_bp, contig.past_end_bp);
  if (!contig.note.empty()) line += "  " + contig.note;
  return line;
}

/// How a cell type was found, in words.
std::string text_of(const LeakCell& cell) {
  switch (cell.match) {
    case LeakMatch::none:
      return "not in the training set under this name (map it with --cells)";
    case LeakMatch::id:
      return "by its id";
    case LeakMatch::given:
      return "as given";
    case LeakMatch::segmentation:
      return "by its segmentation";
  }
  return "?";
}

Json json_of(const LeakContig& contig) {
  Json json{{"name", contig.name}, {"trained_name", contig.trained_name}};
  json["bases"] = contig.bases;
  json["train_bp"] = contig.shared_bp[kTrain];
  json["valid_bp"] = contig.shared_bp[kValid];
  json["test_bp"] = contig.shared_bp[kTest];
  json["near_bp"] = contig.near_bp;
  json["past_end_bp"] = contig.past_end_bp;
  json["compared"] = contig.compared;
  json["note"] = contig.note;
  return json;
}

Json json_of(const LeakCell& cell) {
  Json json{{"name", cell.name}, {"trained_id", nullptr}, {"split", nullptr}, {"match", nullptr}};
  if (cell.match == LeakMatch::none) return json;
  json["trained_id"] = cell.trained_id;
  json["split"] = name_of(cell.split);
  json["match"] = text_of(cell);
  json["note"] = cell.note;
  return json;
}

std::string verdict(const LeakReport& report) {
  if (report.shares_bases()) {
    return fmt::format("SHARED: training has seen {} of {} bases", report.total.shared_bp[kTrain],
                       report.total.bases);
  }
  if (report.undecided()) return "UNDECIDED: some contigs could not be compared";
  return "no base is shared with the training regions";
}

std::size_t trained_cells(const LeakReport& report) {
  return static_cast<std::size_t>(
      std::count_if(report.cells.begin(), report.cells.end(), [](const LeakCell& cell) {
        return cell.match != LeakMatch::none && cell.split == Split::train;
      }));
}

}  // namespace

std::vector<std::string> describe(const LeakReport& report) {
  std::vector<std::string> out{
      fmt::format("{} against training set {}", report.against, report.trained_digest), "",
      fmt::format("{:<12} {:<12} {:>13} {:>13} {:>13} {:>13} {:>11} {:>11}", "contig", "trained as",
                  "bases", "in train", "in valid", "in test", "near train", "past end")};
  for (const LeakContig& contig : report.contigs) out.push_back(line_of(contig));
  out.push_back(line_of(report.total));
  if (!report.cells.empty()) {
    out.emplace_back();
    out.push_back(fmt::format("{:<16} {:<12} {:>6}  found", "cell", "trained as", "split"));
  }
  for (const LeakCell& cell : report.cells) {
    const bool found = cell.match != LeakMatch::none;
    out.push_back(fmt::format("{:<16} {:<12} {:>6}  {}{}{}", cell.name,
                              found ? cell.trained_id : "-", found ? name_of(cell.split) : "-",
                              text_of(cell), cell.note.empty() ? "" : "; ", cell.note));
  }
  out.emplace_back();
  out.push_back(verdict(report));
  if (!report.cells.empty()) {
    out.push_back(fmt::format("{} of {} cell types were trained on", trained_cells(report),
                              report.cells.size()));
  }
  if (report.total.near_bp > 0) {
    out.push_back(fmt::format("{} bases lie closer than {} bp to training regions",
                              report.total.near_bp, report.guard_bp));
  }
  return out;
}

std::string to_json(const LeakReport& report) {
  Json json{{"training_set", report.trained_digest}, {"against", report.against}};
  json["guard_bp"] = report.guard_bp;
  json["shares_bases"] = report.shares_bases();
  json["undecided"] = report.undecided();
  json["total"] = json_of(report.total);
  json["contigs"] = Json::array();
  for (const LeakContig& contig : report.contigs) json["contigs"].push_back(json_of(contig));
  json["cells"] = Json::array();
  for (const LeakCell& cell : report.cells) json["cells"].push_back(json_of(cell));
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace epi::data
