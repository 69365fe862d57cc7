// A scaling study for people and programs: a table, CSV, and one page with charts that needs
// nothing but itself. What was not measured is called predicted everywhere.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "train/scaling_model.hpp"

namespace epi::train {

/// What the study's predictions are made for.
struct ScalingOutlook {
  std::vector<dist::Network> networks;
  double device_tokens_per_s = 0.0;  ///< of a device measured elsewhere; 0: none
};

/// A rank whose pace is carried to other networks.
struct Pace {
  std::string name;  ///< "ranks as measured here"
  AloneStep step;    ///< at base size
  std::string note;  ///< how far its predictions reach; "" where nothing limits them
};

/// That of the study, and that of the device where one is given.
[[nodiscard]] std::vector<Pace> paces_of(const ScalingStudy& study, const ScalingOutlook& outlook);

/// The numbers of ranks that predictions are made for: 1, 2, 4 ... 4096.
[[nodiscard]] std::vector<int> predicted_ranks();

/// "one pass over ..., which nobody has published": the assumption of the reference job.
[[nodiscard]] std::string reference_assumption();
/// Three digits, and never an exponent above a thousand: "0.129", "157", "10044".
[[nodiscard]] std::string days_text(double days);
/// How the sums were fitted, in a line; what is missing where there are none.
[[nodiscard]] std::string fit_line(const ScalingStudy& study);
/// Which predictions are off by more than 10 %, and what that means; "" where none is.
[[nodiscard]] std::string misprediction_line(const ScalingStudy& study);
/// Model, precision, back end, program.
[[nodiscard]] std::string setting_line(const ScalingSetting& setting);

/// The table.
[[nodiscard]] std::string scaling_text(const ScalingStudy& study, const ScalingOutlook& outlook);
/// One line per measured or predicted number of ranks; absent numbers are empty.
[[nodiscard]] std::string scaling_csv(const ScalingStudy& study, const ScalingOutlook& outlook);
/// The page.
[[nodiscard]] std::string scaling_html(const ScalingStudy& study, const ScalingOutlook& outlook);

}  // namespace epi::train
