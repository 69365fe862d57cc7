// Lengths of time as people and Slurm write them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace epi::core {

/// What parse_duration takes, for messages.
inline constexpr const char* kDurationForms =
    "seconds, a number with s, m, h or d, [HH:]MM:SS, or D-HH[:MM[:SS]]";

/// Seconds of "90", "90s", "15m", "2.5h", "3d", "30:00" (minutes and seconds), "12:00:00",
/// "1-12" or "1-12:30:00" (days, then hours, as in Slurm's --time); nothing for any other text.
[[nodiscard]] std::optional<double> parse_duration(std::string_view text);

/// "2 h 5 min", "3 min 20 s", "1.5 s": the two leading units.
[[nodiscard]] std::string duration_text(double seconds);

}  // namespace epi::core
