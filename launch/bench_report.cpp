#include "bench_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "bench_machine.hpp"
#include "core/files.hpp"
#include "core/version.hpp"

namespace epi::launch {
namespace {

std::string plain(const nlohmann::ordered_json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

RepeatedTimes::RepeatedTimes(std::vector<double> seconds)
    : calls(static_cast<std::int64_t>(seconds.size())) {
  std::sort(seconds.begin(), seconds.end());
  best_s = seconds.front();
  median_s = seconds[seconds.size() / 2];
}

std::string name_of(const kernels::OpCost& cost) {
  std::string name = cost.op;
  const char* before = " ";
  for (const std::int64_t size : cost.sizes) {
    if (size == 0) continue;
    name += fmt::format("{}{}", before, size);
    before = " x ";
  }
  return name;
}

nlohmann::ordered_json json_of(const Judged& judged, const kernels::OpCost& cost) {
  return {{"value", judged.value}, {"unit", judged.unit},   {"formula", cost.formula},
          {"flops", cost.flops},   {"bytes", cost.bytes()}, {"roof", judged.roof},
          {"share", judged.share}};
}

void put_out(const JsonOutput& wish, const nlohmann::ordered_json& json, const std::string& table) {
  const std::string text = json.dump(2) + "\n";
  if (!wish.file.empty()) core::write_durably(wish.file, text);
  std::fputs(wish.wanted && wish.file.empty() ? text.c_str() : table.c_str(), stdout);
}

nlohmann::ordered_json json_of(Roofs& roofs) {
  const kernels::cpu::MemoryRates& memory = roofs.main_memory();
  return {{"fp32_gflop_per_s", 1e-9 * roofs.peak(core::DType::f32)},
          {"bf16_gflop_per_s", 1e-9 * roofs.peak(core::DType::bf16)},
          {"bf16_nominal_gflop_per_s", 1e-9 * roofs.nominal_peak(core::DType::bf16)},
          {"nominal_is_the_makers", roofs.nominal_known(core::DType::bf16)},
          {"read_gb_per_s", 1e-9 * memory.read},
          {"copy_gb_per_s", 1e-9 * memory.copy},
          {"triad_gb_per_s", 1e-9 * memory.triad},
          {"in_place_gb_per_s", 1e-9 * memory.in_place}};
}

std::string text_of(Roofs& roofs) {
  const kernels::cpu::MemoryRates& memory = roofs.main_memory();
  return fmt::format(
      "roofs measured here: fp32 {:.1f}, bf16 {:.1f} GFLOP/s; memory reads {:.1f}, copies {:.1f}, "
      "triad {:.1f}, in place {:.1f} GB/s\n",
      1e-9 * roofs.peak(core::DType::f32), 1e-9 * roofs.peak(core::DType::bf16), 1e-9 * memory.read,
      1e-9 * memory.copy, 1e-9 * memory.triad, 1e-9 * memory.in_place);
}

BenchReport::BenchReport(std::string bench, nlohmann::ordered_json facts)
    : bench_(std::move(bench)), facts_(std::move(facts)) {}

void BenchReport::fact(const std::string& name, nlohmann::ordered_json value) {
  facts_[name] = std::move(value);
}

void BenchReport::add(const BenchRow& row, Roofs& roofs) {
  roofs.measure_again();  // in the same seconds as the row: a neighbour may come and go
  lines_.push_back({row, roofs.judge(row.cost, row.times.best_s)});
}

void BenchReport::print(Roofs& roofs, const JsonOutput& json) {
  roofs.measure_again();
  for (Line& line : lines_) line.judged = roofs.judge(line.row.cost, line.row.times.best_s);
  put_out(json, as_json(roofs), as_table(roofs));
}

nlohmann::ordered_json BenchReport::as_json(Roofs& roofs) const {
  nlohmann::ordered_json json = {
      {"program", core::version_text()}, {"bench", bench_}, {"input", "synthetic"}};
  json.update(facts_);
  json["peak_memory_mib"] = peak_memory_mib();
  json["roofs"] = json_of(roofs);
  json["rows"] = nlohmann::ordered_json::array();
  for (const Line& line : lines_) {
    nlohmann::ordered_json row = {{"part", line.row.part},
                                  {"call", name_of(line.row.cost)},
                                  {"calls", line.row.times.calls},
                                  {"median_s", line.row.times.median_s},
                                  {"best_s", line.row.times.best_s}};
    row.update(json_of(line.judged, line.row.cost));
    json["rows"].push_back(row);
  }
  return json;
}

std::string BenchReport::as_table(Roofs& roofs) const {
  std::string text = bench_ + " (synthetic input)";
  for (const auto& [name, value] : facts_.items()) {
    if (name == "threads") continue;  // "kernels" tells them to people
    text += fmt::format(", {} {}", name, plain(value));
  }
  text += '\n';
  text += text_of(roofs);
  text += fmt::format("{:<44}{:>12}{:>12}{:>18}{:>9}{:>9}  {}\n", "part", "median ms", "best ms",
                      "best rate", "roof", "share", "formula");
  for (const Line& line : lines_) {
    const Judged& judged = line.judged;
    text += fmt::format("{:<44}{:>12.4f}{:>12.4f}{:>10.1f} {:<7}{:>9.1f}{:>7.1f} %  {}\n",
                        line.row.part, 1e3 * line.row.times.median_s, 1e3 * line.row.times.best_s,
                        judged.value, judged.unit, judged.roof, 100.0 * judged.share,
                        line.row.cost.formula);
  }
  return text;
}

}  // namespace epi::launch
