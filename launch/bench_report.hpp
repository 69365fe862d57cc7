// The table, or the JSON, of a bench: for each part its value, the formula behind it, the roof of
// the same run and the share of it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench_roofs.hpp"
#include "kernels/op_cost.hpp"

namespace epi::launch {

/// Seconds of equal calls. Shares are those of the best call, since roofs are best values too and
/// the rest of the machine only slows either; the median says how much of that arrives.
struct RepeatedTimes {
  explicit RepeatedTimes(std::vector<double> seconds);
  double best_s = 0.0, median_s = 0.0;
  std::int64_t calls = 0;
};

struct BenchRow {
  std::string part;
  kernels::OpCost cost;  ///< of one call
  RepeatedTimes times;
};

/// What --json asks for.
struct JsonOutput {
  bool wanted = false;
  std::string file;  ///< "": to stdout, in place of the table
};

/// Prints `json` or `table`, or writes the one and prints the other. IoError.
void put_out(const JsonOutput& wish, const nlohmann::ordered_json& json, const std::string& table);

class BenchReport {
 public:
  /// `facts` about the run come first, in their order.
  BenchReport(std::string bench, nlohmann::ordered_json facts);

  /// One more fact.
  void fact(const std::string& name, nlohmann::ordered_json value);
  /// One more line of the table; `roofs` are measured again, and judge all lines in the end.
  void add(const BenchRow& row, Roofs& roofs);
  /// The table or JSON, with the roofs, measured once more. IoError.
  void print(Roofs& roofs, const JsonOutput& json);

 private:
  struct Line {
    BenchRow row;
    Judged judged;
  };
  [[nodiscard]] nlohmann::ordered_json as_json(Roofs& roofs) const;
  [[nodiscard]] std::string as_table(Roofs& roofs) const;

  std::string bench_;
  nlohmann::ordered_json facts_;
  std::vector<Line> lines_;
};

/// value, unit, formula, roof and share, as all benches name them.
[[nodiscard]] nlohmann::ordered_json json_of(const Judged& judged, const kernels::OpCost& cost);
/// The roofs that do not depend on a call: both peaks and main memory's rates.
[[nodiscard]] nlohmann::ordered_json json_of(Roofs& roofs);
/// The same as a line of text.
[[nodiscard]] std::string text_of(Roofs& roofs);
/// "linear 1024 x 2304 x 768".
[[nodiscard]] std::string name_of(const kernels::OpCost& cost);

}  // namespace epi::launch
