// The report on a file, as lines for people.
#include <fmt/format.h>

#include "data/inspect_file.hpp"

namespace epi::data {
namespace {

void describe_contigs(const FileReport& report, std::vector<std::string>& out) {
  out.emplace_back();
  std::string header = fmt::format("{:<12} {:>12} {:>13} {:>13} {:>13}", "contig", "records",
                                   "first base", "end", "length");
  const bool compared = !report.store_digest.empty();
  if (compared) header += fmt::format(" {:>10}  {}", "past end", "in the store");
  out.push_back(header);
  const auto number = [](std::int64_t value, bool known) {
    return known ? fmt::format("{}", value) : std::string("-");
  };
  for (const FileContig& contig : report.contigs) {
    std::string line = fmt::format("{:<12} {:>12} {:>13} {:>13} {:>13}", contig.name,
                                   contig.records, number(contig.start_bp, contig.records > 0),
                                   number(contig.end_bp, contig.records > 0),
                                   number(contig.length_bp, contig.length_bp > 0));
    if (compared) {
      line += fmt::format(" {:>10}  {}", number(contig.past_end, contig.in_store.has_value()),
                          !contig.in_store      ? "no"
                          : contig.note.empty() ? "yes"
                                                : contig.note);
    }
    out.push_back(line);
  }
}

void describe_states(const FileReport& report, std::vector<std::string>& out) {
  out.emplace_back();
  out.push_back(fmt::format("{:<6} {:<28} {:>12} {:>14}", "state", "label", "intervals", "bases"));
  for (const FileState& state : report.states) {
    out.push_back(fmt::format("{:<6} {:<28} {:>12} {:>14}", state.number, state.label,
                              state.intervals, state.bases));
  }
}

void describe_refs(const RefCounts& refs, std::vector<std::string>& out) {
  std::string line = "REF against the store:";
  for (std::size_t i = 0; i < kNumRefChecks; ++i) {
    line += fmt::format("{} {} {}", i == 0 ? "" : ",", refs.count[i],
                        name_of(static_cast<RefCheck>(i)));
  }
  out.push_back(line);
  for (const std::string& mismatch : refs.mismatches) out.push_back("  " + mismatch);
}

}  // namespace

std::vector<std::string> describe(const FileReport& report) {
  std::vector<std::string> out;
  std::string summary =
      fmt::format("{} records, {} contigs", report.records, report.contigs.size());
  if (report.bin_bp > 0) {
    summary += fmt::format(", {} states in bins of {} bp", report.states.size(), report.bin_bp);
  }
  if (!report.detail.empty()) summary += ", " + report.detail;
  if (!report.assembly.empty()) summary += ", assembly " + report.assembly;
  out.push_back(summary);
  out.insert(out.end(), report.facts.begin(), report.facts.end());
  if (report.refs) describe_refs(*report.refs, out);
  if (!report.contigs.empty()) describe_contigs(report, out);
  if (!report.states.empty()) describe_states(report, out);
  return out;
}

}  // namespace epi::data
